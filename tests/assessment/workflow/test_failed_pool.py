"""The failed pool: what is submitted again, when, and how often."""

import random

import pytest
from umpire_workflow import Run, counts_of, new_state

from assessment.workflow.commands import Fail, Submit
from assessment.workflow.state import ComparisonStatus, WorkflowStopReason
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum

ERROR = "LLM_PROVIDER_API_ERROR"


def first_only(number, submission):
    return ERROR if submission == 1 and number == 3 else None


def test_a_failed_comparison_goes_again_when_its_round_lacks_nothing_else():
    run = Run(new_state(20))
    run.step()
    run.answer(9, first_only)
    assert not run.step().commands, "the round still waits for another one"
    run.answer(1)
    (retry,) = run.step().commands
    assert retry == Submit(chunk=1, numbers=(3,), retry=True)


def test_a_retry_has_the_same_pair_orientation_and_judge():
    run = Run(new_state(20, judges=2))
    run.step()
    before = {one.number: (one.first, one.second, one.judge) for one in run.state.comparisons}
    run.run(fail=lambda number, submission: ERROR if submission == 1 else None, until=lambda run: run.row.chunks > 4)
    assert {one.number: (one.first, one.second, one.judge) for one in run.state.comparisons[: len(before)]} == before


def test_twenty_failures_go_again_while_the_round_waits():
    run = Run(new_state(100, batch_size=100))
    run.step()
    run.answer(19, lambda number, submission: ERROR)
    assert not run.step().commands
    run.answer(1, lambda number, submission: ERROR)
    (retry,) = run.step().commands
    assert (retry.retry, len(retry.numbers)) == (True, 20)


def test_the_pool_goes_before_planned_comparisons():
    run = Run(new_state(200, batch_size=20, max_concurrent_batches=5))
    run.step()
    run.answer(60, lambda number, submission: ERROR if number < 25 else None)
    assert [(one.retry, len(one.numbers)) for one in run.step().commands] == [(True, 20), (True, 5), (False, 20)]


def test_three_attempts_and_no_more():
    run = Run(new_state(20, max_comparisons=20))
    run.run(fail=lambda number, submission: ERROR if number == 3 else None)
    assert [pair for pair in run.sent if pair[0] == 3] == [(3, 1), (3, 2), (3, 3)]
    assert run.state.comparisons[3].status is ComparisonStatus.FAILED
    assert run.state.comparisons[3].error_code == ERROR
    assert run.result.unjudged == (3,)
    assert "1 comparisons failed for good." in run.result.warnings


@pytest.mark.parametrize(
    "code",
    [
        "LLM_REQUEST_EXPIRED",
        "LLM_REQUEST_CANCELLED",
        "LLM_CONFIGURATION_ERROR",
        "LLM_COST_LIMIT_EXCEEDED",
    ],
)
def test_expiry_hold_and_cancellation_are_no_attempt(code):
    run = Run(new_state(20, max_comparisons=20))
    run.run(fail=lambda number, submission: code if number == 3 and submission <= 4 else None)
    one = run.state.comparisons[3]
    assert (one.status, one.attempts, one.submissions) == (ComparisonStatus.SUCCEEDED, 0, 5)


def test_what_is_no_attempt_is_bounded_too():
    run = Run(new_state(20, max_comparisons=20))
    run.run(fail=lambda number, submission: "LLM_REQUEST_EXPIRED" if number == 3 else None)
    assert run.state.comparisons[3].submissions == 6
    assert run.state.comparisons[3].status is ComparisonStatus.FAILED


def test_a_refused_submission_is_no_attempt():
    run = Run(new_state(20))
    run.step()
    run.store.refuse(3, 1, "LLM_INVALID_CONFIG", run.now)
    assert run.state.comparisons[3].status is ComparisonStatus.SUBMITTED, "another process saw it accepted"
    run = Run(new_state(20))
    run.send = lambda command: None
    run.step()
    run.store.refuse(3, 1, "LLM_INVALID_CONFIG", run.now)
    one = run.state.comparisons[3]
    assert (one.status, one.attempts) == (ComparisonStatus.POOLED, 0)


def test_a_prompt_that_is_too_long_is_not_sent_again():
    run = Run(new_state(20, max_comparisons=20))
    run.run(fail=lambda number, submission: "LLM_CONTENT_TOO_LONG" if number == 3 else None)
    assert [pair for pair in run.sent if pair[0] == 3] == [(3, 1)]


def test_ten_per_cent_failing_at_random_leave_equal_counts_and_the_original_pairs():
    rng = random.Random(5)
    run = Run(new_state(24, target_reliability=0.949, max_comparisons_per_essay=12))
    run.run(fail=lambda number, submission: ERROR if submission < 3 and rng.random() < 0.1 else None)
    counts = counts_of(run.state)
    assert max(counts) - min(counts) <= 1
    assert {one.status for one in run.state.comparisons} == {ComparisonStatus.SUCCEEDED}
    assert len({(one.first, one.second) for one in run.state.comparisons}) == len(run.state.comparisons)


def test_of_twenty_per_cent_lost_for_good_only_the_named_ones_are_missing():
    rng = random.Random(6)
    lost = {number for number in range(400) if rng.random() < 0.2}
    run = Run(new_state(24, target_reliability=0.949, max_comparisons_per_essay=12))
    run.run(fail=lambda number, submission: ERROR if number in lost else None)
    planned = range(len(run.state.comparisons))
    assert set(run.result.unjudged) == lost & set(planned)
    assert run.row.stop_reason is WorkflowStopReason.BUDGET, "failures among verdicts are no broken judge"
    assert run.row.state is CJBatchStateEnum.COMPLETED
    counts = counts_of(run.state)
    named = {run.state.essays[i].essay_id for i, count in enumerate(counts) if count < 0.7 * sorted(counts)[12]}
    assert set(run.result.few_comparisons) == named


def test_a_judge_that_never_answers_ends_the_assessment_after_two_rounds():
    run = Run(new_state(20)).run(fail=lambda number, submission: ERROR)
    assert run.row.state is CJBatchStateEnum.FAILED
    assert run.failure.error_code is CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS
    assert len(run.state.comparisons) == 20
    assert run.row.stop_reason in {None, WorkflowStopReason.FAILURES}


def test_a_judge_that_goes_away_for_good_ends_it_with_what_there_is():
    run = Run(new_state(20)).run(fail=lambda number, submission: ERROR if number >= 100 else None)
    assert run.row.stop_reason is WorkflowStopReason.FAILURES
    assert not run.of(Fail)
    assert "The comparisons ended early, because no more verdicts came." in run.result.warnings


def test_an_essay_that_always_fails_is_left_alone_and_does_not_hold_up_the_others():
    state = new_state(20)
    run = Run(state, strengths=[i * 1.5 for i in range(20)])

    def broken(number, submission):
        one = run.state.comparisons[number]
        return "LLM_CONTENT_TOO_LONG" if 4 in (one.first, one.second) else None

    run.run(fail=broken)
    assert run.row.stop_reason is WorkflowStopReason.TARGET
    assert counts_of(run.state, status=ComparisonStatus.FAILED)[4] <= 5
    assert run.result.failed_ids == ("s4",)
    assert run.result.few_comparisons == ("s4",)


def test_a_late_verdict_of_a_comparison_that_failed_for_good_counts():
    run = Run(new_state(20, max_comparisons=20))
    run.step()
    run.answer(20, lambda number, submission: "LLM_CONTENT_TOO_LONG" if number == 3 else None)
    run.store.record(3, 9, run.verdict(3), run.now)
    run.run()
    assert run.result.unjudged == ()
