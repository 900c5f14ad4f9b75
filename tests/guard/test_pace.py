"""Calls after a pause: none before its end, few within the first second, all slots after three."""

import pytest

from guard.pace import Pace

SLOTS = 90


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nobody_waits_before_anything_happened() -> None:
    pace = Pace(SLOTS, deadline=120, clock=Clock())
    assert [pace.turn() for _ in range(1_000)] == [0.0] * 1_000


def test_a_backlog_starts_slowly_and_not_before_the_end_of_the_pause() -> None:
    pace = Pace(SLOTS, deadline=120, clock=Clock())
    pace.restart(after=5.0)
    waits = [pace.turn() for _ in range(300)]
    assert waits == sorted(waits)
    assert waits[0] == 5.0
    assert sum(wait < 6.0 for wait in waits) == SLOTS / 9
    assert waits[SLOTS:] == [pytest.approx(8.0)] * (300 - SLOTS)


def test_the_longer_pause_holds_and_every_restart_begins_anew() -> None:
    clock = Clock()
    pace = Pace(SLOTS, deadline=120, clock=clock)
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


def test_a_short_deadline_makes_it_quick() -> None:
    pace = Pace(SLOTS, deadline=4, clock=Clock())
    pace.restart()
    assert max(pace.turn() for _ in range(SLOTS + 1)) == pytest.approx(0.5)
