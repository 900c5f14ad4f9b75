"""What one answer does to one comparison."""

from dataclasses import replace

import pytest
from umpire_workflow import BEGIN, ID, new_state

from assessment.workflow.record import (
    FailedAnswer,
    FailureKind,
    JudgedAnswer,
    accepted,
    arrived,
    assigned,
    failed,
    failure_kind,
    given_up,
    judged,
    paused,
    refused,
    resumed,
)
from assessment.workflow.state import (
    ComparisonRow,
    ComparisonStatus,
    WorkflowOptions,
    comparison_id,
    correlation_id,
)

PLANNED = ComparisonRow(number=0, round=0, first=1, second=2, judge=0)
OPTIONS = WorkflowOptions()
BEFORE_ACCEPTANCE = assigned(PLANNED, 0)
SUBMITTED = accepted(BEFORE_ACCEPTANCE, 1, 100.0, 50.0)
ERROR = FailedAnswer(FailureKind.ATTEMPT, "LLM_PROVIDER_API_ERROR")


def test_a_comparison_is_submitted():
    assert (SUBMITTED.status, SUBMITTED.submissions, SUBMITTED.expires_clock) == (ComparisonStatus.SUBMITTED, 1, 150.0)


def test_it_is_not_assigned_twice():
    assert assigned(BEFORE_ACCEPTANCE, 1) is BEFORE_ACCEPTANCE


def test_a_callback_may_come_before_the_acceptance():
    one = judged(BEFORE_ACCEPTANCE, JudgedAnswer(first_won=True))
    assert accepted(one, 1, 100.0, 50.0) is one
    pooled = failed(BEFORE_ACCEPTANCE, 1, ERROR, OPTIONS)
    assert accepted(pooled, 1, 100.0, 50.0).status is ComparisonStatus.POOLED


def test_the_acceptance_of_an_older_submission_changes_nothing():
    again = assigned(failed(SUBMITTED, 1, ERROR, OPTIONS), 1)
    assert accepted(again, 1, 200.0, 50.0) is again


def test_an_older_failure_is_costed_only():
    again = assigned(failed(SUBMITTED, 1, ERROR, OPTIONS), 1)
    assert failed(again, 1, replace(ERROR, cost_usd=0.5), OPTIONS) == replace(again, cost_usd=0.5)


def test_a_verdict_after_which_a_failure_comes_stays():
    one = judged(SUBMITTED, JudgedAnswer(first_won=True))
    assert failed(one, 1, ERROR, OPTIONS) == one


def test_a_refusal_after_an_acceptance_changes_nothing():
    assert refused(SUBMITTED, 1, "LLM_QUEUE_FULL", OPTIONS) is SUBMITTED


def test_only_what_is_submitted_is_given_up():
    assert given_up(SUBMITTED, OPTIONS).status is ComparisonStatus.POOLED
    assert given_up(BEFORE_ACCEPTANCE, OPTIONS) is BEFORE_ACCEPTANCE


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("LLM_PROVIDER_API_ERROR", None, FailureKind.ATTEMPT),
        ("LLM_PARSING_ERROR", None, FailureKind.ATTEMPT),
        ("LLM_PROVIDER_TIMEOUT", None, FailureKind.ATTEMPT),
        ("LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED", FailureKind.NO_ATTEMPT),
        ("LLM_INTERNAL_ERROR", "LLM_REQUEST_CANCELLED", FailureKind.NO_ATTEMPT),
        ("LLM_INTERNAL_ERROR", None, FailureKind.ATTEMPT),
        ("LLM_CONFIGURATION_ERROR", "LLM_REQUEST_EXPIRED", FailureKind.NO_ATTEMPT),
        ("LLM_COST_LIMIT_EXCEEDED", None, FailureKind.NO_ATTEMPT),
        ("LLM_CONTENT_TOO_LONG", None, FailureKind.PERMANENT),
        ("A_CODE_OF_A_NEWER_VERSION", None, FailureKind.ATTEMPT),
    ],
)
def test_what_an_error_costs(code, reason, kind):
    assert failure_kind(code, reason) is kind


def test_ids_are_those_of_comparison_and_submission():
    ids = {correlation_id(ID, number, submission) for number in range(3) for submission in range(3)}
    assert len(ids) == 9
    assert comparison_id(ID, 1) == comparison_id(ID, 1) != comparison_id(ID, 2)


def test_a_callback_or_an_acceptance_brings_the_next_decision_forward():
    row = new_state(2).assessment
    assert arrived(row, BEGIN + 10).wake_at == BEGIN + 130
    assert arrived(replace(row, wake_at=BEGIN + 20), BEGIN + 10).wake_at == BEGIN + 20
    assert arrived(replace(row, wake_at=BEGIN + 9000), BEGIN + 10).wake_at == BEGIN + 130


def test_a_hold_and_its_end_ask_for_a_decision():
    row = new_state(2).assessment
    assert paused(row, BEGIN + 10, "a hold").wake_at == BEGIN + 10
    assert resumed(paused(row, BEGIN + 10, "a hold"), BEGIN + 20).wake_at == BEGIN + 20


def test_the_clock_stands_still_in_a_hold():
    row = new_state(2).assessment
    assert row.clock(BEGIN + 10) == BEGIN + 10
    held = paused(paused(row, BEGIN + 10, "a hold"), BEGIN + 20, "an outage")
    assert held.clock(BEGIN + 1000) == BEGIN + 10
    assert held.waiting_for == "an outage"
    after = resumed(held, BEGIN + 1000)
    assert after.clock(BEGIN + 1001) == BEGIN + 11
    assert after.wall(BEGIN + 11) == BEGIN + 1001
    assert resumed(after, BEGIN + 2000) is after
