"""Rounds: how many are planned ahead, in waves or not, and what bounds them."""

import pytest
from umpire_workflow import Run, counts_of, new_state

from assessment.workflow.commands import PlanRound, Score, Submit
from assessment.workflow.state import IN_FLIGHT, ComparisonStatus, WorkflowStopReason
from contracts.enums import CJBatchStateEnum, LLMBatchingMode


def test_two_rounds_are_planned_before_the_first_verdict():
    run = Run(new_state(20))
    decision = run.step()
    assert [one.round.number for one in decision.commands if isinstance(one, PlanRound)] == [0, 1]
    assert decision.path == (CJBatchStateEnum.GENERATING_PAIRS, CJBatchStateEnum.WAITING_CALLBACKS)


def test_no_more_than_two_rounds_wait_for_their_scores():
    run = Run(new_state(20))
    while not run.ended:
        run.step()
        assert sum(one.scored_at is None for one in run.state.rounds) <= 2
        run.answer(1)
    assert len(run.state.rounds) > 3


def test_a_round_is_scored_when_it_is_complete_and_the_next_one_planned_in_the_same_decision():
    run = Run(new_state(20))
    run.step()
    run.answer(9)
    assert not run.step().commands
    run.answer(1)
    decision = run.step()
    kinds = [type(one) for one in decision.commands]
    assert kinds == [Score, PlanRound, Submit]
    assert decision.path == (
        CJBatchStateEnum.SCORING,
        CJBatchStateEnum.GENERATING_PAIRS,
        CJBatchStateEnum.WAITING_CALLBACKS,
    )


def test_the_same_state_gives_the_same_decision():
    run, other = Run(new_state(20)), Run(new_state(20))
    assert run.step() == other.step()


@pytest.mark.parametrize("students", [2, 3, 5, 12, 17, 40])
def test_when_all_succeed_counts_differ_by_one_at_most(students):
    run = Run(new_state(students, target_reliability=0.94)).run()
    counts = counts_of(run.state)
    assert max(counts) - min(counts) <= 1
    assert run.row.state is CJBatchStateEnum.COMPLETED


def test_batches_and_their_number_bound_what_is_in_flight():
    run = Run(new_state(300, batch_size=20, max_concurrent_batches=2))
    run.step()
    assert [len(one.numbers) for one in run.of(Submit)] == [20, 20]
    run.answer(19)
    assert not run.step().commands
    run.answer(1)
    assert [len(one.numbers) for one in run.step().commands] == [20]
    assert len(run.numbers(*IN_FLIGHT)) == 40


def test_the_chunks_of_an_assessment_are_numbered():
    run = Run(new_state(60, batch_size=10)).run(until=lambda run: len(run.state.rounds) > 3)
    assert [one.chunk for one in run.of(Submit)] == list(range(run.row.chunks))


def test_provider_batches_are_three_waves_of_a_half_and_two_quarters_of_the_budget():
    run = Run(
        new_state(
            20,
            batching_mode=LLMBatchingMode.PROVIDER_BATCH_API,
            target_reliability=0.949,
            max_comparisons_per_essay=16,
        )
    )
    run.step()
    assert len(run.queue) == 80, "a wave is not bounded by max_concurrent_batches"
    run.run()
    assert [one.planned for one in run.state.rounds] == [80, 40, 40]
    assert run.row.stop_reason is WorkflowStopReason.BUDGET


@pytest.mark.parametrize("per_essay", [1, 2, 3, 5])
def test_a_small_budget_is_used_up_in_waves_too(per_essay):
    state = new_state(20, batching_mode=LLMBatchingMode.PROVIDER_BATCH_API, max_comparisons_per_essay=per_essay, seed=2)
    run = Run(state).run()
    assert set(counts_of(run.state)) == {per_essay}


def test_without_iteration_all_is_planned_at_once():
    run = Run(new_state(20, iterative=False, max_comparisons_per_essay=10))
    run.step()
    assert [one.planned for one in run.state.rounds] == [100]
    run.run()
    assert len(run.state.rounds) == 1
    assert run.row.stop_reason is WorkflowStopReason.BUDGET
    assert set(counts_of(run.state)) == {10}


def test_the_budget_of_comparisons_is_kept():
    run = Run(new_state(20, max_comparisons=45, target_reliability=0.949)).run()
    assert len(run.state.comparisons) == 40, "45 hold four whole rounds"
    assert run.row.stop_reason is WorkflowStopReason.BUDGET


def test_a_budget_below_one_round_is_used_up():
    run = Run(new_state(20, max_comparisons=7)).run()
    assert len(run.state.comparisons) == 7
    assert run.row.stop_reason is WorkflowStopReason.BUDGET


def test_pairs_are_judged_once_in_each_order_and_then_all_is_done():
    run = Run(new_state(4, max_comparisons_per_essay=24, target_reliability=0.949)).run()
    pairs = [(one.first, one.second) for one in run.state.comparisons]
    assert sorted(pairs) == sorted((i, j) for i in range(4) for j in range(4) if i != j)
    assert run.row.stop_reason is WorkflowStopReason.PAIRS_EXHAUSTED


def test_each_of_two_judges_sees_each_pair_in_each_order_once():
    run = Run(new_state(4, judges=2, max_comparisons_per_essay=24, target_reliability=0.949)).run()
    shown = [(one.first, one.second, one.judge) for one in run.state.comparisons]
    assert len(shown) == len(set(shown)) == 24
    assert run.row.stop_reason is WorkflowStopReason.PAIRS_EXHAUSTED


def test_repeats_go_on_to_the_budget():
    run = Run(new_state(4, allow_repeats=True, max_comparisons_per_essay=24, target_reliability=0.949)).run()
    assert len(run.state.comparisons) == 48
    assert run.row.stop_reason is WorkflowStopReason.BUDGET
    assert run.result.comparisons == 48


def test_judges_get_their_shares():
    state = new_state(30, judges=2, target_reliability=0.949)
    state = state.__class__(state.assessment, (state.judges[0], _share(state.judges[1], 3.0)), state.essays)
    run = Run(state).run()
    dealt = [one.judge for one in run.state.comparisons]
    assert dealt.count(1) / len(dealt) == pytest.approx(0.75, abs=0.01)
    assert ComparisonStatus.SUCCEEDED in {one.status for one in run.state.comparisons}


def _share(judge, share):
    from dataclasses import replace

    return replace(judge, share=share)


def test_the_budget_does_not_end_it_before_its_last_round_is_in():
    run = Run(new_state(40, max_comparisons=40, batch_size=10, target_reliability=0.949))
    run.step()
    assert len(run.sent) == 30
    run.answer(25)
    run.step()
    assert [one.scored_at is None for one in run.state.rounds] == [False, True]
    run.run()
    assert run.result.comparisons == 40
