"""What a level measures: a rate that does not depend on where its window lies, and percentiles that exist."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.tune.level import CallResult, latency, measured


def slots(count: int, seconds: float, until: float) -> list[CallResult]:
    """So many slots whose calls all take so long, one after the other, started evenly over one call's time."""
    calls = []
    for slot in range(count):
        began = seconds * slot / count
        while began < until:
            calls.append(CallResult(began, began + seconds))
            began += seconds
    return calls


@settings(deadline=None)  # a shared machine
@given(
    count=st.integers(1, 40),
    seconds=st.floats(0.01, 5),
    length=st.floats(0.01, 20),
)
def test_calls_that_all_take_the_same_time_give_littles_rate_however_long_the_window(
    count: int, seconds: float, length: float
) -> None:
    end = seconds + length
    level = measured(count, slots(count, seconds, end), (seconds, end))
    assert level.rate == pytest.approx(count / seconds, rel=1e-6)


def test_refusals_failures_and_verdicts_are_told_apart() -> None:
    calls = [
        CallResult(0.0, 1.0, tokens=100, cost=0.5),
        CallResult(0.0, 1.0, tokens=300, cost=0.25),
        CallResult(0.0, 0.1, code="LLM_PROVIDER_RATE_LIMIT", refused=True, cost=0.0),
        CallResult(0.0, 9.0, code="LLM_PROVIDER_TIMEOUT", cost=0.0),
    ]
    level = measured(4, calls, (0.0, 2.0))
    assert (level.calls, level.verdicts, level.refusals, level.failed) == (4, 2, 1, 1)
    assert level.errors == {"LLM_PROVIDER_RATE_LIMIT": 1, "LLM_PROVIDER_TIMEOUT": 1}
    assert (level.tokens, level.cost, level.rate) == (200, 0.75, 1.0)
    assert level.latency
    assert level.latency.p99 == 1.0, "of verdicts only"


def test_a_cost_that_is_not_known_makes_the_sum_unknown_and_not_smaller() -> None:
    assert measured(1, [CallResult(0, 1, cost=1.0), CallResult(1, 2, cost=None)], (0, 2)).cost is None


def test_percentiles_are_times_that_were_seen() -> None:
    found = latency([float(n) for n in range(100, 0, -1)])
    assert found
    assert (found.p50, found.p95, found.p99, found.mean) == (50, 95, 99, 50.5)
    assert latency([]) is None


def test_an_empty_window_has_no_rate() -> None:
    assert measured(1, [CallResult(0, 1)], (2.0, 2.0)).rate == 0
