"""Rates by rate-limit headers: a bucket is used up, then kept at its refill rate; a window is spread over its time."""

import pytest

from guard.adaptive.header_rate import HeaderLimit, HeaderRate


def test_there_is_no_rate_before_the_first_headers_and_long_after_the_last() -> None:
    announced = HeaderRate()
    announced.observe(None, 10, 1000.0, 1.0)
    assert announced.rate(1000.0) is None
    announced.observe(HeaderLimit(limit=600, remaining=300, reset=30), 10, 1000.0, 1.0)
    assert announced.rate(1000.0) is not None
    assert announced.rate(1121.0) is None


def test_a_bucket_is_used_up_faster_than_it_fills_and_kept_a_little_above_empty() -> None:
    announced, level, now = HeaderRate(), 600.0, 1000.0
    used = 0.0
    for _ in range(4 * 120):
        announced.observe(HeaderLimit(limit=600, remaining=level, reset=(600 - level) / 10), used, now, 0.25)
        used = (announced.rate(now) or 0.0) * 0.25
        level = min(600.0, level + 2.5 - used)
        now += 0.25
    assert level == pytest.approx(0.05 * 600, abs=5)
    assert used * 4 == pytest.approx(10.0, rel=0.02)
    assert not announced.used_up(now) or level <= 30


def test_an_empty_bucket_slows_down_a_little() -> None:
    announced = HeaderRate(limit=600, remaining=0, reset=60, at=1000.0, inflow=1.0)
    assert announced.rate(1000.0) == pytest.approx(9.1)
    assert announced.used_up(1000.0)


def test_the_rest_of_a_window_is_spread_over_its_remaining_time() -> None:
    announced, left, now = HeaderRate(), 300.0, 1030.0
    used = 5.0
    for _ in range(100):
        announced.observe(HeaderLimit(limit=600, remaining=left, reset=1060 - now), used, now, 0.25)
        used = (announced.rate(now) or 0.0) * 0.25
        left -= used
        now += 0.25
    assert used * 4 == pytest.approx(9.8, rel=0.02)
    assert announced.inflow < 0.1


def test_a_window_that_others_used_up_still_gets_a_few_calls() -> None:
    announced = HeaderRate(limit=600, remaining=10, reset=50, at=1000.0)
    assert announced.rate(1000.0) == pytest.approx(0.98 * 0.2)


def test_the_end_of_a_window_does_not_make_it_a_bucket() -> None:
    announced = HeaderRate(limit=600, remaining=20, reset=1, at=1000.0)
    announced.observe(HeaderLimit(limit=600, remaining=600, reset=60), 2, 1000.25, 0.25)
    assert announced.inflow < 0.5
    assert announced.rate(1000.25) == pytest.approx(9.8)
