"""Adaptive limits before upstreams of each kind, in simulated time: after a minute nearly the whole
throughput, and hardly any refusals. The upstreams know their limits; the service does not."""

import math

import pytest
from umpire_simulation import Upstream, World

#: Seconds from the start until the limits must have been found, and the seconds measured after that.
SETTLED, MEASURED = 60, 120

UNKNOWN_CONCURRENCY = [
    (Upstream(most=50), 50),
    (Upstream(most=50, jitter=0.3), 50),
    (Upstream(most=10, seconds=3.0), 10 / 3),
    (Upstream(most=5, seconds=0.2), 5 / 0.2),
    # A process is busy with an answer before it can start the next call: not in flight for the upstream any more.
    (Upstream(most=5, seconds=0.02), 5 / 0.024),
]
UNKNOWN_RATE = [
    (Upstream(rate=10, burst=burst, seconds=seconds, jitter=0.2), 10)
    for burst in (10, 60, 600)
    for seconds in (0.02, 0.2, 1.0)
]
ANNOUNCED_RATE = [
    (Upstream(rate=10, burst=burst, window=not burst, announces=True, seconds=seconds), 10)
    for burst in (10, 600, 0)
    for seconds in (0.02, 1.0, 3.0)
]
NO_LIMIT = [(Upstream(seconds=seconds), 64 / (seconds + 0.008)) for seconds in (0.2, 1.0, 3.0)]
AT_RANDOM = [(Upstream(seconds=seconds, at_random=0.01), 64 / (seconds + 0.008)) for seconds in (0.2, 1.0)]


def kind(value: object) -> str:
    if not isinstance(value, Upstream):
        return ""
    limit = f"{value.most:g} in flight" if value.most < math.inf else "no limit"
    if value.rate < math.inf:
        limit = f"{value.rate * 60:g} a minute, " + ("a window" if value.window else f"burst {value.burst:g}")
    return f"{limit}, {value.seconds:g} s" + (f" ± {value.jitter:g}" if value.jitter else "")


@pytest.mark.parametrize("retry_after", [0.0, 1.0], ids=["without Retry-After", "Retry-After 1"])
@pytest.mark.parametrize(
    ("upstream", "best"), UNKNOWN_CONCURRENCY + UNKNOWN_RATE + ANNOUNCED_RATE + NO_LIMIT + AT_RANDOM, ids=kind
)
def test_after_a_minute_throughput_is_nine_tenths_of_the_best(
    upstream: Upstream, best: float, retry_after: float
) -> None:
    world = World(upstream.anew(retry_after=retry_after)).run(SETTLED + MEASURED)
    assert world.good(SETTLED, SETTLED + MEASURED) >= 0.9 * best
    # What is refused at random is refused besides.
    assert world.refused(SETTLED, SETTLED + MEASURED) < 0.02 + upstream.at_random


@pytest.mark.parametrize(("upstream", "best"), [*UNKNOWN_CONCURRENCY[:2], *ANNOUNCED_RATE[:2], *NO_LIMIT[:1]], ids=kind)
def test_several_processes_share_a_limit(upstream: Upstream, best: float) -> None:
    processes = 3 if upstream.most + upstream.rate < math.inf or upstream.rate < math.inf else 1
    world = World(upstream.anew(retry_after=1.0), processes=processes).run(SETTLED + MEASURED)
    assert world.good(SETTLED, SETTLED + MEASURED) >= 0.9 * best
    assert world.refused(SETTLED, SETTLED + MEASURED) < 0.02


@pytest.mark.parametrize("retry_after", [0.0, 1.0], ids=["without Retry-After", "Retry-After 1"])
@pytest.mark.parametrize(("before", "after"), [(50, 20), (50, 25), (20, 50), (5, 40)])
def test_a_limit_that_changes_is_found_again(before: int, after: int, retry_after: float) -> None:
    upstream = Upstream(most=before, retry_after=retry_after)
    world = World(upstream).run(SETTLED)
    upstream.most = after
    world.run(SETTLED + MEASURED)
    assert world.good(2 * SETTLED, 2 * SETTLED + MEASURED) >= 0.9 * after
    assert world.refused(2 * SETTLED, 2 * SETTLED + MEASURED) < 0.02


@pytest.mark.parametrize(("before", "after"), [(10, 20), (20, 10), (10, 30)])
def test_a_rate_that_changes_is_found_again(before: int, after: int) -> None:
    upstream = Upstream(rate=before, burst=30, jitter=0.2, retry_after=1.0)
    world = World(upstream).run(SETTLED)
    upstream.rate = after
    world.run(SETTLED + MEASURED)
    assert world.good(2 * SETTLED, 2 * SETTLED + MEASURED) >= 0.9 * after
    assert world.refused(2 * SETTLED, 2 * SETTLED + MEASURED) < 0.025


def test_with_as_few_calls_as_one_processes_take_turns() -> None:
    world = World(Upstream(most=1, retry_after=1.0), processes=2).run(SETTLED + MEASURED)
    assert world.good(SETTLED, SETTLED + MEASURED) >= 0.9
    assert all(process.calls > MEASURED / 5 for process in world.processes)


@pytest.mark.parametrize("upstream", [UNKNOWN_CONCURRENCY[0][0], UNKNOWN_RATE[0][0], ANNOUNCED_RATE[0][0]], ids=kind)
def test_without_adaptive_limits_calls_are_refused_for_ever(upstream: Upstream) -> None:
    """The upstreams do refuse what is too much."""
    world = World(upstream.anew(), adaptive=False).run(SETTLED + MEASURED)
    assert world.refused(SETTLED, SETTLED + MEASURED) > 0.1


def test_a_process_that_ends_leaves_its_share_to_the_others() -> None:
    world = World(Upstream(most=40), processes=2).run(SETTLED)
    world.remove()
    world.run(20)
    assert world.good(SETTLED + 10, SETTLED + 20) >= 0.9 * 40
