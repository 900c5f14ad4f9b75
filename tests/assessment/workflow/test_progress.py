"""What counts alone tell: progress, and whether to decide."""

from umpire_workflow import Run, new_state

from assessment.workflow.progress import WorkflowProgress, count_comparisons, decision_is_due, progress_of
from assessment.workflow.state import ComparisonStatus


def due(run):
    return decision_is_due(run.row, run.state.rounds, count_comparisons(run.state.comparisons), run.now)


def progress(run):
    return progress_of(run.state.rounds, count_comparisons(run.state.comparisons))


def test_progress_counts_comparisons():
    run = Run(new_state(200, batch_size=50, max_concurrent_batches=2))
    assert progress(run) == WorkflowProgress(0, 0, 0, 0, 0, None)
    run.step()
    run.answer(10, lambda number, submission: "LLM_CONTENT_TOO_LONG" if number == 3 else None)
    assert progress(run) == WorkflowProgress(
        round=1, planned=200, submitted=100, completed=9, failed=1, reliability=None
    )
    run.run(until=lambda run: len(run.state.rounds) > 3)
    assert 0 <= progress(run).reliability <= 1


def test_most_callbacks_need_no_decision():
    run = Run(new_state(100))
    assert due(run), "it has just begun"
    run.step()
    needed = 0
    for _ in range(100):
        run.answer(1)
        needed += due(run)
        run.step()
    assert needed < 10


def test_a_decision_is_due_by_time_and_after_a_hold():
    run = Run(new_state(40))
    run.step()
    assert not due(run)
    run.now = run.wake_at
    assert due(run)
    run.step()
    run.store.pause(run.now)
    run.step()
    assert not due(run)
    run.store.resume(run.now)
    assert due(run)


def test_a_decision_is_due_when_nothing_is_in_flight():
    run = Run(new_state(40))
    run.step()
    run.answer(40, lambda number, submission: "LLM_PROVIDER_API_ERROR")
    assert len(run.numbers(ComparisonStatus.POOLED)) == 40
    assert due(run)


def test_a_decision_is_due_when_a_failure_gives_back_the_money_for_a_round():
    run = Run(new_state(20, max_cost_usd=0.0195))
    run.step()
    assert len(run.state.rounds) == 1
    run.answer(4, lambda number, submission: "LLM_CONTENT_TOO_LONG" if number == 3 else None)
    assert due(run)
    run.step()
    assert len(run.state.rounds) == 2


def test_none_is_due_after_the_end():
    assert not due(Run(new_state(12)).run())
