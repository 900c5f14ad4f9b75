"""Partial completion, stragglers, overdue and lost callbacks, holds: what time alone does."""

from umpire_workflow import TTL, Run, new_state

from assessment.workflow.clockwork import OVERDUE_SECONDS
from assessment.workflow.commands import AskRedelivery, GiveUp, Score, Stop, Submit
from assessment.workflow.record import FailedAnswer, FailureKind
from assessment.workflow.state import ComparisonStatus, WorkflowStopReason
from assessment.workflow.tally import GRACE_SECONDS
from contracts.enums import CJBatchStateEnum, LLMBatchingMode


def in_first_round(missing):
    """Of 40 essays: 20 comparisons in the first round, of which the last `missing` do not come."""
    run = Run(new_state(40))
    run.step()
    run.queue = [pair for pair in run.queue if not 20 - missing <= pair[0] < 20]
    run.answer()
    run.step()
    return run


def test_a_round_with_85_per_cent_is_scored_when_nothing_came_for_two_minutes():
    run = in_first_round(missing=3)
    assert not run.of(Score)
    run.advance(119)
    assert not run.step().commands
    run.advance(1)
    assert [one.number for one in run.step().commands[0].rounds] == [0, 1]
    assert [one.partial for one in run.state.rounds[:2]] == [True, False]


def test_the_decision_says_when_it_wants_to_be_asked_again():
    run = in_first_round(missing=3)
    assert run.wake_at == run.now + 120


def test_with_less_than_85_per_cent_the_round_waits():
    run = in_first_round(missing=4)
    run.advance(300)
    assert not run.step().commands


def test_partial_completion_comes_once_a_round():
    run = in_first_round(missing=3)
    run.run()
    assert sum(0 in [one.number for one in score.rounds] for score in run.of(Score)) == 1
    assert "Rounds that were scored without some of their verdicts: 1." in run.result.warnings


def test_a_straggler_counts_when_it_comes():
    run = in_first_round(missing=3)
    run.advance(120)
    run.step()
    run.store.record(17, 1, run.verdict(17), run.now)
    run.run()
    assert run.result.comparisons == len(run.state.comparisons) - 2
    assert run.result.unjudged == (18, 19)


def test_stragglers_do_not_hold_up_the_end():
    run = Run(new_state(40), strengths=[float(i) for i in range(40)])
    run.run(fail=lambda number, submission: "lost" if number == 5 else None)
    assert run.row.stop_reason is WorkflowStopReason.TARGET
    assert run.now - run.row.created_at < TTL
    assert run.result.unjudged == (5,)


def test_time_in_a_hold_is_not_counted():
    run = in_first_round(missing=3)
    run.store.pause(run.now)
    run.advance(8 * 3600)
    decision = run.step()
    assert not decision.commands
    assert decision.wake_at is None
    run.store.resume(run.now)
    assert not run.step().commands
    run.advance(120)
    assert run.step().commands


def test_stragglers_of_provider_batches_have_the_window_of_the_batch():
    run = Run(new_state(40, batching_mode=LLMBatchingMode.PROVIDER_BATCH_API, provider_batch_seconds=7200.0))
    run.send = lambda command: _send(run, command, 30 * 3600)
    run.step()
    run.answer(len(run.queue) - 2)
    run.advance(7199)
    assert not run.step().commands
    run.advance(1)
    assert run.step().commands


def _send(run, command, ttl):
    pairs = [(number, run.state.comparisons[number].submissions) for number in command.numbers]
    run.queue += pairs
    run.store.accept(pairs, run.now, ttl)


def test_a_verdict_that_is_overdue_by_ten_minutes_is_asked_for_and_not_sent_again():
    run = in_first_round(missing=4)
    run.advance(OVERDUE_SECONDS - 2)
    assert not run.step().commands
    run.advance(3)
    assert run.step().commands == (AskRedelivery((16, 17, 18, 19), run.now),)
    assert not run.step().commands, "it was asked for just now"
    run.advance(OVERDUE_SECONDS)
    assert run.step().commands == (AskRedelivery((16, 17, 18, 19), run.now),)
    assert not [pair for pair in run.sent if pair[1] > 1]


def test_after_its_time_to_live_and_a_grace_it_goes_into_the_failed_pool():
    run = in_first_round(missing=4)
    run.advance(TTL + GRACE_SECONDS - 1)
    run.step()
    assert not run.of(GiveUp)
    run.advance(1)
    decision = run.step()
    assert decision.commands[0] == GiveUp((16, 17, 18, 19))
    assert decision.commands[1].retry
    one = run.state.comparisons[16]
    assert (one.status, one.attempts, one.submissions) == (ComparisonStatus.SUBMITTED, 0, 2)
    run.run()
    assert run.result.unjudged == ()


def test_a_late_failure_of_an_older_submission_changes_nothing():
    run = in_first_round(missing=4)
    run.advance(TTL + GRACE_SECONDS)
    run.step()

    run.store.record(16, 1, FailedAnswer(FailureKind.ATTEMPT, "LLM_INTERNAL_ERROR", cost_usd=0.5), run.now)
    one = run.state.comparisons[16]
    assert (one.status, one.attempts, one.cost_usd) == (ComparisonStatus.SUBMITTED, 0, 0.5)


def test_the_first_verdict_counts_and_a_second_one_is_costed_and_billed():
    run = in_first_round(missing=4)
    run.advance(TTL + GRACE_SECONDS)
    run.step()
    first = run.verdict(16, cost_usd=0.25)
    run.store.record(16, 1, first, run.now)
    run.store.record(16, 2, type(first)(not first.first_won, 5.0, 0.25), run.now)
    run.store.record(16, 2, type(first)(not first.first_won, 5.0, 0.25), run.now)
    one = run.state.comparisons[16]
    assert (one.first_won, one.confidence, one.cost_usd, one.verdicts) == (first.first_won, 3.0, 0.5, 2)


def test_what_is_in_flight_when_the_target_is_reached_is_waited_for():
    run = Run(new_state(40), strengths=[float(i) for i in range(40)])
    run.run(until=lambda run: bool(run.of(Stop)), each=20)
    assert run.row.state is CJBatchStateEnum.WAITING_CALLBACKS
    waiting = len(run.queue)
    assert waiting
    run.run()
    assert run.result.unjudged == ()
    assert not [one for one in run.decisions[-1].commands if not isinstance(one, Stop)][1:]


def test_a_hold_is_not_waited_for_once_the_target_is_reached():
    run = Run(new_state(40), strengths=[float(i) for i in range(40)])
    run.run(until=lambda run: bool(run.of(Stop)), each=20)
    run.store.pause(run.now)
    decision = run.step()
    assert decision.wake_at == run.now + 120
    run.advance(120)
    run.step()
    assert run.ended
    assert run.result.unjudged


def test_nothing_comes_at_all_and_it_ends_nevertheless():
    run = Run(new_state(12))
    run.run(fail=lambda number, submission: "lost")
    assert run.row.state is CJBatchStateEnum.FAILED


def test_failures_go_again_before_a_round_is_scored_without_its_stragglers():
    run = Run(new_state(40))
    run.step()
    run.answer(fail=lambda number, submission: {5: "LLM_PROVIDER_API_ERROR", 6: "lost"}.get(number))
    assert not run.step().commands, "the round still waits for number 6"
    run.advance(120)
    assert run.step().commands == (Submit(chunk=1, numbers=(5,), retry=True),)
    run.answer()
    assert not run.step().commands
    run.advance(120)
    assert isinstance(run.step().commands[0], Score)
    assert [one.partial for one in run.state.rounds[:2]] == [True, False]


def test_a_straggler_that_fails_after_its_round_goes_again_before_the_end():
    run = Run(new_state(40, max_comparisons=80, target_reliability=0.949))
    run.step()
    run.queue = [pair for pair in run.queue if pair[0] not in {5, 6}]
    run.answer()
    run.step()
    run.advance(120)
    run.step()
    assert len(run.state.rounds) == 4
    run.store.record(6, 1, FailedAnswer(FailureKind.ATTEMPT, "LLM_PROVIDER_API_ERROR"), run.now)
    run.answer()
    assert run.step().commands[-1] == Submit(chunk=2, numbers=(6,), retry=True)
    run.run()
    assert run.result.unjudged == (5,)
    assert run.now - run.row.created_at < TTL


def test_a_straggler_takes_no_room_once_nothing_comes_any_more():
    run = Run(new_state(40, batch_size=10, max_concurrent_batches=1))
    run.step()
    run.queue = run.queue[1:]
    run.answer()
    assert not run.step().commands
    run.advance(120)
    assert [len(one.numbers) for one in run.step().commands] == [10]


def test_stragglers_do_not_hold_up_an_end_by_the_budget():
    run = Run(new_state(40, max_comparisons=60, target_reliability=0.949))
    run.run(fail=lambda number, submission: "lost" if number == 5 else None)
    assert run.row.stop_reason is WorkflowStopReason.BUDGET
    assert run.now - run.row.created_at < TTL
    assert run.result.comparisons == 59
