"""Calls after a pause: none before its end, few within the first second, all slots after three."""

import heapq
import itertools
import random
from collections.abc import Callable

import pytest

from guard.slow_start import SlowStart

SLOTS = 90


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_no_call_waits_before_the_first_restart() -> None:
    pace = SlowStart(SLOTS, deadline=120, clock=Clock())
    assert [pace.turn() for _ in range(1_000)] == [0.0] * 1_000


def test_a_backlog_starts_slowly_and_not_before_the_end_of_the_pause() -> None:
    pace = SlowStart(SLOTS, deadline=120, clock=Clock())
    pace.restart(after=5.0)
    waits = [pace.turn() for _ in range(300)]
    assert waits == sorted(waits)
    assert waits[0] == 5.0
    assert sum(wait < 6.0 for wait in waits) == SLOTS / 9
    assert waits[SLOTS:] == [pytest.approx(8.0)] * (300 - SLOTS)


def test_the_longer_pause_holds_and_every_restart_begins_anew() -> None:
    clock = Clock()
    pace = SlowStart(SLOTS, deadline=120, clock=clock)
    pace.restart(after=5.0)
    pace.restart(after=1.0)
    assert pace.turn() == 5.0
    clock.now += 6.0
    pace.restart()
    assert pace.round == 3
    assert pace.turn() == 0.0
    assert pace.turn() > 0.0
    clock.now += 3.1
    assert pace.turn() == 0.0


def test_a_short_deadline_shortens_slow_start() -> None:
    pace = SlowStart(SLOTS, deadline=4, clock=Clock())
    pace.restart()
    assert max(pace.turn() for _ in range(SLOTS + 1)) == pytest.approx(0.5)


def test_several_refusals_restart_slow_start_and_one_does_not() -> None:
    pace = SlowStart(SLOTS, deadline=120, clock=Clock())
    for _ in range(3):
        pace.refused(began=999.0)
    assert pace.turn() == 0.0
    pace.refused(began=999.5)
    pace.refused(began=999.5)
    assert pace.round == 1
    assert [pace.turn() > 0 for _ in range(3)] == [False, True, True]


def test_refusals_of_calls_that_began_before_the_restart_do_not_count() -> None:
    clock = Clock()
    pace = SlowStart(SLOTS, deadline=120, clock=clock)
    pace.restart()
    clock.now += 1.0
    for _ in range(SLOTS):
        pace.refused(began=999.9)
    assert pace.round == 1


def test_a_retry_after_concerns_all_calls_unless_a_longer_one_is_known() -> None:
    pace = SlowStart(SLOTS, deadline=120, clock=Clock())
    pace.refused(began=999.0, after=5.0)
    assert (pace.round, pace.turn()) == (1, 5.0)
    pace.refused(began=999.0, after=4.0)
    assert pace.round == 1
    pace.refused(began=999.0, after=6.0)
    assert (pace.round, pace.turn()) == (2, 6.0)


def test_a_short_retry_after_delays_its_own_call_unless_many_calls_receive_it() -> None:
    pace = SlowStart(SLOTS, deadline=120, clock=Clock())
    for _ in range(3):
        pace.refused(began=999.5, after=1.0)
    assert (pace.round, pace.turn()) == (0, 0.0)
    pace.refused(began=999.5, after=1.0)
    pace.refused(began=999.5, after=1.0)
    assert (pace.round, pace.turn()) == (1, 1.0)


class Provider:
    """Answers after a second, and sends some calls away; and a process' slots, each of which calls and calls again."""

    def __init__(self, slots: int, sent_away: Callable[[float], float | None]) -> None:
        """`sent_away` tells of a call that began then what it is asked to wait, and None of a good one."""
        self.clock = Clock()
        self.began: list[float] = []
        self.good = 0
        self._pace = SlowStart(slots, deadline=120, clock=self.clock)
        self._sent_away = sent_away
        self._count = itertools.count()
        self._todo: list[tuple[float, int, Callable[[], None]]] = []
        for _ in range(slots):
            self._at(0.0, self._ask)

    def run(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self._todo[0][0] < until:
            self.clock.now, _, step = heapq.heappop(self._todo)
            step()

    def _at(self, wait: float, step: Callable[[], None]) -> None:
        heapq.heappush(self._todo, (self.clock.now + wait, next(self._count), step))

    def _ask(self) -> None:
        """As the judge does."""
        wait, given = self._pace.turn(), self._pace.round
        if wait:
            self._at(wait, lambda: self._call() if self._pace.round == given else self._ask())
        else:
            self._call()

    def _call(self) -> None:
        began = self.clock.now
        self.began.append(began)
        self._at(1.0, lambda: self._end(began))

    def _end(self, began: float) -> None:
        after = self._sent_away(began)
        if after is None:
            self.good += 1
        else:
            self._pace.refused(began, after)
        self._ask()


@pytest.mark.parametrize("retry_after", [0.0, 1.0])
@pytest.mark.parametrize(("share", "least"), [(0.01, 0.9), (0.05, 0.75)])
def test_rare_refusals_do_not_slow_down_other_calls(share: float, least: float, retry_after: float) -> None:
    chance = random.Random(7)
    provider = Provider(64, lambda _: retry_after if chance.random() < share else None)
    provider.run(300)
    assert provider.good >= least * 64 * 300


def test_a_retry_after_now_and_then_costs_its_pause_and_one_slow_start() -> None:
    chance = random.Random(7)
    provider = Provider(64, lambda _: 5.0 if chance.random() < 0.01 else None)
    provider.run(300)
    # One in a hundred calls at full speed, then the pause, and three seconds with as many calls as one has.
    assert provider.good >= 0.75 * 300 * 100 / (100 / 64 + 5.0 + 2.0)


def test_calls_that_received_the_same_retry_after_do_not_return_together() -> None:
    start = Clock.now
    end = start + 5.0
    provider = Provider(SLOTS, lambda began: end - began - 1.0 if began < end - 1.0 else None)
    provider.run(20)
    after = [began for began in provider.began if began > start]
    assert min(after) >= end
    assert sum(began < end + 1.0 for began in after) <= SLOTS / 9 + 1


def test_a_provider_that_refuses_all_calls_without_retry_after_is_called_slowly() -> None:
    provider = Provider(SLOTS, lambda _: 0.0)
    provider.run(60)
    # Unhindered: all slots, each second.
    assert len(provider.began) <= 0.4 * SLOTS * 60
