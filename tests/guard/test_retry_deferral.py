"""Retries between claims: how long a request is deferred."""

import random

from hypothesis import given
from hypothesis import strategies as st

from contracts.settings import RetrySettings
from guard.retry import next_deferral

RNG = random.Random(1)


def test_each_try_has_its_wait_and_the_last_one_is_repeated() -> None:
    policy = RetrySettings(queue_max_retries=5, defer_seconds=[5.0, 30.0, 120.0])
    for tries, wait in enumerate((5.0, 30.0, 120.0, 120.0, 120.0)):
        for _ in range(50):
            assert 0.8 * wait <= (next_deferral(tries, policy, RNG) or 0) <= 1.2 * wait


def test_no_wait_when_tries_are_used_up_or_there_were_none() -> None:
    assert next_deferral(3, RetrySettings(queue_max_retries=3), RNG) is None
    assert next_deferral(0, RetrySettings(queue_max_retries=0), RNG, retry_after=1.0) is None


@given(
    tries=st.integers(0, 20),
    most=st.integers(0, 20),
    waits=st.lists(st.floats(0, 1e4), min_size=1, max_size=5),
    retry_after=st.none() | st.floats(0, 1e5),
    seed=st.integers(),
)
def test_a_wait_is_never_shorter_than_retry_after(
    tries: int, most: int, waits: list[float], retry_after: float | None, seed: int
) -> None:
    policy = RetrySettings(queue_max_retries=most, defer_seconds=waits)
    wait = next_deferral(tries, policy, random.Random(seed), retry_after=retry_after)
    assert (wait is None) == (tries >= most)
    if wait is not None:
        assert (retry_after or 0) <= wait <= 1.2 * max([*waits, retry_after or 0])


def test_waits_differ_between_requests_that_failed_together() -> None:
    policy = RetrySettings(queue_max_retries=3, defer_seconds=[5.0])
    assert len({next_deferral(0, policy, RNG) for _ in range(100)}) > 90
    assert len({next_deferral(0, policy, RNG, retry_after=60.0) for _ in range(100)}) > 90
