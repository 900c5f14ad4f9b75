"""What one process does by itself between two words of the shared limits."""

import math

from guard.adaptive.local import FIRST, Allocation, CallCounts, LocalLimiter


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def turnstile(allocation: Allocation | None = None, slots: int = 64) -> tuple[LocalLimiter, Clock]:
    clock = Clock()
    made = LocalLimiter(slots, clock)
    if allocation is not None:
        made.follow(allocation)
    return made, clock


def started(stile: LocalLimiter, calls: int) -> list[int]:
    levels = []
    for _ in range(calls):
        assert not stile.wait()
        levels.append(stile.start())
    return levels


def test_a_process_that_knows_nothing_starts_with_a_few() -> None:
    stile, _ = turnstile()
    assert started(stile, FIRST)[-1] == FIRST
    assert stile.wait() == math.inf
    assert LocalLimiter(4, Clock()).limit == 4


def test_above_what_was_borne_the_first_refusal_is_the_limit() -> None:
    stile, _ = turnstile(Allocation(20, proven=10))
    levels = started(stile, 20)
    for level in levels[15:]:
        stile.end(level, refused=True)
    assert stile.limit == 15
    assert stile.wait() == math.inf
    assert stile.counts == CallCounts(starts=20, above=10, refused=5, refused_above=5)


def test_it_does_not_go_below_what_was_borne_for_that() -> None:
    stile, _ = turnstile(Allocation(20, proven=10))
    stile.end(started(stile, 12)[-1], refused=True)
    for level in range(1, 9):
        stile.end(level, refused=False)
    stile.start()
    stile.end(11, refused=True)
    assert stile.limit == 10


def test_within_what_was_borne_one_refusal_is_none_and_two_in_a_row_are_a_sign() -> None:
    stile, _ = turnstile(Allocation(20, proven=20))
    levels = started(stile, 20)
    stile.end(levels.pop(), refused=True)
    assert stile.limit == 20
    for _ in range(4):
        stile.end(levels.pop(), refused=False)
    stile.end(levels.pop(), refused=True)
    assert stile.limit == 20
    stile.end(levels.pop(), refused=True)
    assert stile.limit == 13


def test_a_word_that_crosses_a_refusal_does_not_undo_it() -> None:
    stile, _ = turnstile(Allocation(20, proven=10))
    levels = started(stile, 20)
    stile.report(0.25)
    stile.end(levels.pop(), refused=True)
    stile.follow(Allocation(40, proven=20))
    assert stile.limit == 19
    stile.report(0.25)
    stile.follow(Allocation(40, proven=20))
    assert stile.limit == 40


def test_starts_are_paced_at_the_rate() -> None:
    stile, clock = turnstile(Allocation(64, 64, rate=10.0))
    at = []
    while clock.now < 1010.0:
        wait = stile.wait()
        if wait:
            clock.now += wait
        else:
            at.append(clock.now)
            stile.end(stile.start(), refused=False)
    assert 99 <= len(at) <= 101
    assert max(sum(start <= one < start + 1 for one in at) for start in at) <= 11


def test_words_of_the_same_rate_let_nothing_off() -> None:
    """Four a second: what went ahead of time by a bunch stays owed."""
    allocation = Allocation(64, 64, rate=100.0, exact=True)
    stile, clock = turnstile(allocation)
    starts, word = 0, clock.now
    while clock.now < 1010.0:
        if clock.now >= word + 0.25:
            word = clock.now
            stile.follow(allocation)
        if wait := stile.wait():
            clock.now += wait
        else:
            stile.end(stile.start(), refused=False)
            starts += 1
    assert 990 <= starts <= 1010


def test_a_faster_rate_does_not_wait_for_the_last_ones_turn() -> None:
    stile, _ = turnstile(Allocation(64, 64, rate=0.1))
    stile.start()
    assert stile.wait() > 9
    stile.follow(Allocation(64, 64, rate=100.0, exact=True))
    assert stile.wait() <= 0.01


def test_smooth_starts_are_spread_over_half_the_time_of_a_call() -> None:
    stile, _ = turnstile()
    stile.answered(3.0, 100)
    stile.report(0.25)
    stile.follow(Allocation(10, 10, smooth=True))
    assert [stile.wait() > 0 for _ in range(2) if stile.start()] == [True, True]


def test_few_requests_wait_where_a_rate_is_what_limits() -> None:
    stile, _ = turnstile(Allocation(64, 64, rate=10.0))
    assert stile.room() == 1 + 3
    stile.start()
    assert stile.room() == 1 + 1 + 3


def test_a_quarter_of_a_seconds_answers_wait_besides_those_in_flight() -> None:
    stile, _ = turnstile(Allocation(50, 50))
    for _ in range(10):
        stile.answered(1.0, 100)
    stile.report(0.25)
    assert stile.room() == 50 + 1 + 10


def test_what_has_to_wait_is_told_from_what_for() -> None:
    stile, _ = turnstile(Allocation(2, 2, rate=1.0))
    stile.start()
    stile.waits()
    stile.start()
    stile.waits()
    assert (stile.counts.slow, stile.counts.full) == (1, 1)
