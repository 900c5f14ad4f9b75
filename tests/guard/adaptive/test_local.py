"""One process between two updates of the shared limits."""

import math

from guard.adaptive.local import FIRST, Allocation, CallCounts, LocalLimiter


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(allocation: Allocation | None = None, slots: int = 64) -> tuple[LocalLimiter, Clock]:
    clock = Clock()
    made = LocalLimiter(slots, clock)
    if allocation is not None:
        made.follow(allocation)
    return made, clock


def started(limiter: LocalLimiter, calls: int) -> list[int]:
    levels = []
    for _ in range(calls):
        assert not limiter.wait()
        levels.append(limiter.start())
    return levels


def test_a_new_process_starts_with_a_few_calls() -> None:
    limiter, _ = made()
    assert started(limiter, FIRST)[-1] == FIRST
    assert limiter.wait() == math.inf
    assert LocalLimiter(4, Clock()).limit == 4


def test_the_first_refusal_above_the_proven_level_sets_the_limit() -> None:
    limiter, _ = made(Allocation(20, proven=10))
    levels = started(limiter, 20)
    for level in levels[15:]:
        limiter.end(level, refused=True)
    assert limiter.limit == 15
    assert limiter.wait() == math.inf
    assert limiter.counts == CallCounts(starts=20, above=10, refused=5, refused_above=5)


def test_a_refusal_above_the_proven_level_does_not_lower_the_limit_below_it() -> None:
    limiter, _ = made(Allocation(20, proven=10))
    limiter.end(started(limiter, 12)[-1], refused=True)
    for level in range(1, 9):
        limiter.end(level, refused=False)
    limiter.start()
    limiter.end(11, refused=True)
    assert limiter.limit == 10


def test_at_a_proven_level_two_refusals_in_a_row_lower_the_limit_and_one_does_not() -> None:
    limiter, _ = made(Allocation(20, proven=20))
    levels = started(limiter, 20)
    limiter.end(levels.pop(), refused=True)
    assert limiter.limit == 20
    for _ in range(4):
        limiter.end(levels.pop(), refused=False)
    limiter.end(levels.pop(), refused=True)
    assert limiter.limit == 20
    limiter.end(levels.pop(), refused=True)
    assert limiter.limit == 13


def test_a_share_computed_before_a_refusal_does_not_undo_the_lower_limit() -> None:
    limiter, _ = made(Allocation(20, proven=10))
    levels = started(limiter, 20)
    limiter.report(0.25)
    limiter.end(levels.pop(), refused=True)
    limiter.follow(Allocation(40, proven=20))
    assert limiter.limit == 19
    limiter.report(0.25)
    limiter.follow(Allocation(40, proven=20))
    assert limiter.limit == 40


def test_starts_are_paced_at_the_rate() -> None:
    limiter, clock = made(Allocation(64, 64, rate=10.0))
    at = []
    while clock.now < 1010.0:
        wait = limiter.wait()
        if wait:
            clock.now += wait
        else:
            at.append(clock.now)
            limiter.end(limiter.start(), refused=False)
    assert 99 <= len(at) <= 101
    assert max(sum(start <= one < start + 1 for one in at) for start in at) <= 11


def test_updates_with_the_same_rate_do_not_forgive_starts_made_ahead_of_time() -> None:
    """Four a second: what went ahead of time by a bunch stays owed."""
    allocation = Allocation(64, 64, rate=100.0, exact=True)
    limiter, clock = made(allocation)
    starts, updated = 0, clock.now
    while clock.now < 1010.0:
        if clock.now >= updated + 0.25:
            updated = clock.now
            limiter.follow(allocation)
        if wait := limiter.wait():
            clock.now += wait
        else:
            limiter.end(limiter.start(), refused=False)
            starts += 1
    assert 990 <= starts <= 1010


def test_a_faster_rate_does_not_wait_for_the_gap_of_the_slower_one() -> None:
    limiter, _ = made(Allocation(64, 64, rate=0.1))
    limiter.start()
    assert limiter.wait() > 9
    limiter.follow(Allocation(64, 64, rate=100.0, exact=True))
    assert limiter.wait() <= 0.01


def test_smooth_starts_are_spread_over_half_the_time_of_a_call() -> None:
    limiter, _ = made()
    limiter.answered(3.0, 100)
    limiter.report(0.25)
    limiter.follow(Allocation(10, 10, smooth=True))
    assert [limiter.wait() > 0 for _ in range(2) if limiter.start()] == [True, True]


def test_few_requests_wait_for_a_permit_if_the_rate_is_limited() -> None:
    limiter, _ = made(Allocation(64, 64, rate=10.0))
    assert limiter.capacity() == 1 + 3
    limiter.start()
    assert limiter.capacity() == 1 + 1 + 3


def test_requests_for_a_quarter_of_a_second_wait_besides_the_calls_in_flight() -> None:
    limiter, _ = made(Allocation(50, 50))
    for _ in range(10):
        limiter.answered(1.0, 100)
    limiter.report(0.25)
    assert limiter.capacity() == 50 + 1 + 10


def test_calls_that_wait_are_counted_by_the_limit_that_they_wait_for() -> None:
    limiter, _ = made(Allocation(2, 2, rate=1.0))
    limiter.start()
    limiter.waits()
    limiter.start()
    limiter.waits()
    assert (limiter.counts.slow, limiter.counts.full) == (1, 1)
