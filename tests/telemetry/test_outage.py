"""An outage is logged once, ends with a success, and lets one caller in a while try."""

import pytest

from telemetry.outage import Outage


def test_only_the_first_failure_begins_an_outage_and_only_the_first_success_ends_it() -> None:
    outage = Outage()
    assert not outage.succeeded(), "there was none"
    assert [outage.failed() for _ in range(3)] == [True, False, False]
    assert outage.active
    assert [outage.succeeded() for _ in range(2)] == [True, False]
    assert outage.failed(), "the next one"


def test_an_outage_warns_once() -> None:
    outage = Outage()
    assert [outage.failure_level() for _ in range(3)] == ["warning", "debug", "debug"]
    outage.succeeded()
    assert outage.failure_level() == "warning"


def test_one_caller_may_try_in_each_interval_of_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("telemetry.outage.time.monotonic", lambda: now)
    outage = Outage(retry_seconds=0.5)
    assert outage.may_try()
    outage.failed()
    assert not outage.may_try(), "it has just failed"
    now += 0.5
    assert [outage.may_try() for _ in range(3)] == [True, False, False]
    now += 0.5
    assert outage.may_try()
    outage.succeeded()
    assert [outage.may_try() for _ in range(3)] == [True, True, True]
