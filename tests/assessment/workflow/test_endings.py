"""How an assessment ends: single essays, texts, cancellation, the monitor, money, extension."""

import pytest
from umpire_workflow import BEGIN, TTL, Run, new_state

from assessment.workflow.commands import Complete, PlanRound
from assessment.workflow.planning import AssessmentEstimate, estimate
from assessment.workflow.state import ComparisonStatus, TextStatus, WorkflowStopReason
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum

SCALE = ("F", "E", "D", "C", "B", "A")


def with_texts(state, failed):
    from dataclasses import replace

    status = {True: TextStatus.FAILED, False: TextStatus.READY}
    essays = tuple(replace(one, text_status=status[one.index in failed]) for one in state.essays)
    return replace(state, essays=essays)


def test_no_essay_is_an_invalid_request():
    run = Run(new_state(0))
    run.step()
    assert run.failure.error_code is CJAssessmentErrorCode.INVALID_REQUEST


def test_a_single_essay_is_completed_at_once_without_a_comparison():
    run = Run(new_state(1)).run()
    assert run.row.stop_reason is WorkflowStopReason.SINGLE_ESSAY
    (score,) = run.result.scores
    assert (score.rank, score.letter_grade, score.confidence_label) == (1, "U", "LOW")
    assert run.result.single_essay_batch
    assert run.result.successful_ids == ("s0",)
    assert not run.state.comparisons


def test_a_single_essay_with_two_anchors_too():
    run = Run(new_state(1, anchors=("A", "C"), grade_scale=SCALE)).run()
    assert not run.state.comparisons


def test_a_single_essay_with_three_anchors_is_judged_against_them():
    run = Run(new_state(1, anchors=("A", "C", "E"), grade_scale=SCALE)).run()
    assert run.state.comparisons
    own = next(one for one in run.result.scores if not one.is_anchor)
    assert own.rank == 1
    assert own.grade in SCALE
    assert run.result.single_essay_batch


def test_texts_are_waited_for():
    run = Run(new_state(12, ready=False))
    decision = run.step()
    assert not decision.commands
    assert decision.wake_at == BEGIN + 14400


def test_texts_that_never_come_are_found_by_the_monitor():
    run = Run(new_state(12, ready=False))
    run.advance(14400)
    run.step()
    assert run.failure.error_code is CJAssessmentErrorCode.STUCK


def test_a_missing_text_fails_that_essay_alone():
    run = Run(with_texts(new_state(12), {3, 5})).run()
    assert run.result.failed_ids == ("s3", "s5")
    assert len(run.result.successful_ids) == 10
    assert "Essays without a readable text, not ranked: s3, s5." in run.result.warnings


def test_all_texts_missing_is_a_failure():
    run = Run(with_texts(new_state(3), {0, 1, 2}))
    run.step()
    assert run.failure.error_code is CJAssessmentErrorCode.CONTENT_UNAVAILABLE


def test_an_anchor_without_a_text_is_left_out_with_a_warning():
    run = Run(with_texts(new_state(12, anchors=SCALE, grade_scale=SCALE), {12})).run()
    assert "Anchors without a readable text, left out: ANCHOR_12." in run.result.warnings
    assert sum(one.is_anchor for one in run.result.scores) == 5
    assert len(run.result.successful_ids) == 12


def test_missing_texts_may_lower_the_number_below_what_the_target_is_allowed_for():
    run = Run(with_texts(new_state(52, target_reliability=0.95), {0, 1, 2, 3})).run()
    assert run.row.state is CJBatchStateEnum.COMPLETED


def test_fewer_than_half_ranked_is_a_failure():
    run = Run(new_state(12))

    def only_two(number, submission):
        one = run.state.comparisons[number]
        return None if max(one.first, one.second) < 5 else "LLM_CONTENT_TOO_LONG"

    run.run(fail=only_two)
    assert run.failure.error_code is CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS
    assert "of 12 essays" in run.failure.message


def test_a_fit_that_does_not_converge_is_a_failure(monkeypatch):
    from assessment.errors import ScoreConvergenceFailed

    def fail(state):
        raise ScoreConvergenceFailed("no convergence in 50 steps")

    monkeypatch.setattr("assessment.workflow.decide.fit_essays", fail)
    run = Run(new_state(12)).run()
    assert run.failure.error_code is CJAssessmentErrorCode.SCORE_CONVERGENCE_FAILED


def test_cancelling_ends_it_and_bills_what_was_judged():
    run = Run(new_state(12))
    run.step()
    run.answer(4)
    run.store.set(cancel_requested=True)
    run.step()
    assert run.row.state is CJBatchStateEnum.CANCELLED
    assert run.failure.error_code is CJAssessmentErrorCode.CANCELLED
    assert run.failure.quantity == 4
    assert not run.step().commands


def test_the_target_needs_more_comparisons_where_the_operator_says_so():
    easy = [float(i) for i in range(40)]
    run = Run(new_state(40, min_comparisons_per_essay=14), strengths=easy).run()
    assert run.row.stop_reason is WorkflowStopReason.TARGET
    assert min(score.comparisons for score in run.result.scores) >= 14
    assert min(score.comparisons for score in Run(new_state(40), strengths=easy).run().result.scores) < 14


# The monitor.


def unaccepted(**options):
    """The comparison service never accepts the chunks."""
    run = Run(new_state(40, **options))
    run.send = lambda command: None
    return run


def test_the_monitor_fails_an_assessment_without_verdicts():
    run = unaccepted()
    run.step()
    run.advance(14399)
    assert not run.step().commands
    run.advance(1)
    run.step()
    assert run.failure.error_code is CJAssessmentErrorCode.STUCK


def test_the_monitor_scores_what_there_is_if_that_is_enough():
    run = Run(new_state(40))
    run.run(until=lambda run: len(run.state.comparisons) > 200)
    run.send = lambda command: None
    run.step()
    run.queue = []
    for _ in range(400):
        if run.ended:
            break
        run.now = run.wake_at
        run.step()
    assert run.row.state is CJBatchStateEnum.COMPLETED


def test_the_monitor_does_not_count_a_hold():
    run = unaccepted()
    run.step()
    run.store.pause(run.now)
    run.advance(100_000)
    assert not run.step().commands
    run.store.resume(run.now)
    run.advance(14399)
    assert not run.step().commands


def test_the_monitor_waits_for_the_longest_time_to_live_and_an_hour():
    run = Run(new_state(40, stuck_seconds=60.0))
    run.step()
    run.store.accept([], run.now)
    run.advance(TTL + 599)
    assert {type(one).__name__ for one in run.step().commands} <= {"AskRedelivery"}


# Money.


def test_the_cost_limit_ends_it_as_the_budget_does():
    run = Run(new_state(20, max_cost_usd=0.055, price=0.001)).run()
    assert run.row.stop_reason is WorkflowStopReason.BUDGET
    assert run.result.cost_usd == pytest.approx(0.05)
    assert len(run.state.comparisons) == 50


def test_what_is_in_flight_is_reserved():
    run = Run(new_state(20, max_cost_usd=0.015))
    run.step()
    assert len(run.of(PlanRound)) == 1, "a second round could not be paid"
    run.run()
    assert run.result.cost_usd <= 0.015


def test_real_costs_count_when_they_are_above_the_estimate():
    run = Run(new_state(20, max_cost_usd=0.1, price=0.001))
    run.verdict = lambda number: Run.verdict(run, number, cost_usd=0.003)
    run.run()
    assert run.result.cost_usd <= 0.1
    assert len(run.state.comparisons) == 30


def test_retries_that_the_money_does_not_pay_are_not_sent():
    run = Run(new_state(20, max_cost_usd=0.0105))
    run.step()
    from assessment.workflow.record import FailedAnswer, FailureKind

    for number, submission in run.queue[:6]:
        run.store.record(number, submission, run.verdict(number), run.now)
    for number, submission in run.queue[6:]:
        answer = FailedAnswer(FailureKind.ATTEMPT, "LLM_PARSING_ERROR", cost_usd=0.001)
        run.store.record(number, submission, answer, run.now)
    run.queue = []
    run.step()
    assert run.row.stop_reason is WorkflowStopReason.BUDGET
    assert run.ended
    assert len(run.sent) == 10


def test_a_limit_below_one_comparison_fails_without_one():
    run = Run(new_state(20, max_cost_usd=0.0005)).run()
    assert run.failure.error_code is CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS
    assert not run.sent


def test_a_limit_below_one_round_is_used_up():
    run = Run(new_state(6, max_cost_usd=0.0021)).run()
    assert len(run.sent) == 2


# Extension.


def test_extending_gives_a_second_version_that_bills_what_is_new():
    run = Run(new_state(20, max_comparisons_per_essay=10, target_reliability=0.949)).run()
    assert run.of(Complete)[0].quantity == 100
    run.store.extend(run.now, max_comparisons_per_essay=15)
    assert run.row.state is CJBatchStateEnum.GENERATING_PAIRS
    run.run()
    first, second = run.of(Complete)
    assert (first.version, second.version) == (1, 2)
    assert second.quantity == 50
    assert second.outcome.comparisons == 150


def test_an_extension_goes_on_with_what_was_left_over():
    run = Run(new_state(40), strengths=[float(i) for i in range(40)])
    run.run(each=20, until=lambda run: run.row.stop_reason is not None)
    run.queue = []
    run.run()
    left = run.result.unjudged
    assert left
    run.store.extend(run.now, target_reliability=0.949)
    run.step()
    run.advance(TTL + 600)
    run.run()
    assert {run.state.comparisons[number].status for number in left} == {ComparisonStatus.SUCCEEDED}


def test_only_what_is_completed_can_be_extended():
    run = Run(new_state(12))
    run.step()
    before = run.row
    run.store.extend(run.now, max_comparisons_per_essay=30)
    assert run.row == before


def test_an_extension_gives_a_judge_that_always_failed_another_chance():
    run = Run(new_state(20)).run(fail=lambda number, submission: "LLM_PROVIDER_API_ERROR" if number >= 40 else None)
    assert run.row.stop_reason is WorkflowStopReason.FAILURES
    run.store.extend(run.now)
    run.run()
    assert run.row.stop_reason in {WorkflowStopReason.TARGET, WorkflowStopReason.BUDGET}
    assert run.result.comparisons > 40


def test_the_estimate_is_made_of_budgets_shares_and_prices():
    from dataclasses import replace

    state = new_state(30, judges=2)
    dear = replace(state.judges[1], estimated_cost_usd=0.005, share=3.0)
    judges, options = (state.judges[0], dear), state.assessment.options
    assert estimate(options, judges, 30) == AssessmentEstimate(360, pytest.approx(1.44))
    assert estimate(replace(options, max_comparisons=100), judges, 30) == AssessmentEstimate(100, pytest.approx(0.4))
    assert estimate(replace(options, max_cost_usd=0.2), judges, 30) == AssessmentEstimate(50, pytest.approx(0.2))
    assert estimate(options, (replace(dear, estimated_cost_usd=None),), 30).cost_usd is None
