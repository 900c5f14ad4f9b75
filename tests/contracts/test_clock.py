"""Wall time as it is written."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts import clock
from contracts.clock import iso, iso_now, utcnow


def test_now_is_written_as_any_other_moment(monkeypatch):
    before = utcnow().replace(microsecond=0)
    assert before <= datetime.fromisoformat(iso_now()) <= utcnow()
    start = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    for passed in (0, 1, 9, 999, 1_000, 1_001, 1_999, 86_400_000, 0):
        moment = start + timedelta(milliseconds=passed)
        monkeypatch.setattr(clock.time, "time_ns", lambda moment=moment: round(moment.timestamp() * 1000) * 1_000_000)
        assert iso_now() == iso(moment)


@pytest.mark.parametrize(("micros", "written"), [(0, "000"), (999, "000"), (1_000, "001"), (999_999, "999")])
def test_a_moment_is_cut_to_milliseconds(micros, written):
    assert iso(datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC)) == f"2026-01-02T03:04:05.{written}Z"
