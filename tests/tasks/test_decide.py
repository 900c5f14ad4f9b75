"""What becomes of a request at the end of a claim."""

import random
from typing import Any

import pytest

from completion.judgement import Judgement, Spent
from contracts import errors
from contracts.settings import RetrySettings
from guard.retry import MAX_ANSWERS
from tasks.call.claim_state import NotNow
from tasks.decide import Action, Decision, decide, decide_not_now

OUTAGE = errors.ProviderUnavailable("down")
NO_VERDICT = errors.ParsingError("no verdict in it")


def decided(error: errors.UmpireError | None, spent: Spent | None = None, **changes: Any) -> Decision:
    arguments: dict[str, Any] = {
        "tries": 0,
        "stopping": False,
        "shut": None,
        "settings": RetrySettings(),
        "random": random.Random(1),
    }
    return decide(Judgement(model="m", spent=spent or Spent(), error=error), **arguments | changes)


def test_a_verdict_completes_the_request_whatever_the_gate_and_the_process_do() -> None:
    assert decided(None) == Decision(Action.COMPLETE)
    assert decided(None, stopping=True, shut="breaker") == Decision(Action.COMPLETE)


@pytest.mark.parametrize("stopping", [False, True])
def test_an_error_that_no_call_can_change_fails_the_request(*, stopping: bool) -> None:
    assert decided(errors.InvalidPrompt("no"), stopping=stopping, shut="breaker") == Decision(Action.FAIL)


def test_the_last_answer_without_a_verdict_fails_the_request() -> None:
    spent = Spent(answers=MAX_ANSWERS)
    assert decided(NO_VERDICT, spent, stopping=True).action is Action.FAIL
    assert decided(NO_VERDICT, Spent(answers=1)).action is Action.FAIL


def test_a_process_that_stops_releases_the_request_to_the_front() -> None:
    front = Decision(Action.RELEASE, "stopping", front=True)
    assert decided(OUTAGE, stopping=True) == front
    assert decided(OUTAGE, stopping=True, shut="breaker", tries=3) == front
    assert decided(NO_VERDICT, Spent(answers=1), stopping=True) == front


@pytest.mark.parametrize("shut", ["breaker", "hold"])
def test_a_shut_gate_releases_the_request_to_the_back_without_a_try(shut: str) -> None:
    assert decided(OUTAGE, shut=shut, tries=3) == Decision(Action.RELEASE, shut)


@pytest.mark.parametrize(("tries", "wait"), [(0, 5.0), (1, 30.0), (2, 120.0)])
def test_an_error_that_may_pass_defers_the_request(tries: int, wait: float) -> None:
    decision = decided(OUTAGE, tries=tries)
    assert decision.action is Action.DEFER
    assert 0.8 * wait <= decision.delay <= 1.2 * wait
    assert decision.pause == 0


def test_the_request_fails_when_its_tries_are_used_up() -> None:
    assert decided(OUTAGE, tries=3) == Decision(Action.FAIL)


@pytest.mark.parametrize(("retry_after", "pause"), [(10.0, 0.0), (10.1, 10.1)])
def test_a_retry_after_longer_than_a_claim_waits_pauses_the_provider(retry_after: float, pause: float) -> None:
    error = errors.ProviderRateLimited("slow down", retry_after=retry_after)
    deferred, failed = decided(error), decided(error, tries=3)
    assert (deferred.action, deferred.pause) == (Action.DEFER, pause)
    assert deferred.delay >= retry_after
    assert (failed.action, failed.pause) == (Action.FAIL, pause)


def test_a_claim_that_made_no_call_releases_its_request_to_the_front() -> None:
    before = Spent(attempts=1)
    reason = NotNow("rate_limit", 3.0)
    reason.spent = before
    assert decide_not_now(reason, before) == Decision(Action.RELEASE, "rate_limit", front=True, pause=3.0)
    reason.spent = before.attempted()
    assert decide_not_now(reason, before) == Decision(Action.RELEASE, "rate_limit", front=False, pause=3.0)


def test_a_request_whose_model_is_on_hold_is_parked() -> None:
    assert decide_not_now(NotNow("model_hold"), Spent()).action is Action.PARK
