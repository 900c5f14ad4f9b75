"""Whole assessments with simulated judges, from the first pair to the stop rule."""

import numpy as np
import pytest
from umpire_workflow import Run, counts_of, new_state

from assessment.workflow.record import JudgedAnswer
from assessment.workflow.state import WorkflowStopReason
from benchmarks.judging.classes import spearman
from benchmarks.judging.judges import NOISY, PLAIN, SimulatedJudge


def simulated(students, judges=(PLAIN,), *, sd=2.0, seed=3, **options):
    """An assessment whose essays have strengths of standard deviation `sd`, in logits."""
    options.setdefault("seed", seed)
    truth = np.random.default_rng(seed).normal(0, sd, students)
    run = Run(new_state(students, judges=len(judges), **options), strengths=truth)
    rng, side = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])

    def verdict(number):
        one = run.state.comparisons[number]
        first_won, confidence = judges[one.judge].answer(truth, np.array([[one.first, one.second]]), rng, side)
        return JudgedAnswer(bool(first_won[0]), float(confidence[0]), 0.001)

    run.verdict = verdict
    return run, truth


def ranked(run):
    return [one.strength for one in sorted(run.result.scores, key=lambda one: one.index)]


@pytest.mark.parametrize(("students", "sd"), [(12, 3.0), (60, 2.5)])
def test_an_assessment_stops_by_its_rule(students, sd):
    run, truth = simulated(students, sd=sd)
    run.run()
    assert run.row.stop_reason in {WorkflowStopReason.TARGET, WorkflowStopReason.PAIRS_EXHAUSTED}
    true = float(np.corrcoef(ranked(run), truth)[0, 1] ** 2)
    assert run.result.reliability >= 0.9 or run.row.stop_reason is WorkflowStopReason.PAIRS_EXHAUSTED
    assert run.result.reliability <= true + 0.05
    assert spearman(ranked(run), truth) > 0.9
    counts = counts_of(run.state)
    assert max(counts) - min(counts) <= 1
    assert 8 <= min(counts) <= 24


def test_the_target_was_claimed_after_two_scores_in_a_row():
    run, _ = simulated(60, sd=2.5)
    run.run()
    assert run.row.stop_reason is WorkflowStopReason.TARGET
    claims = [one.reliability for one in run.state.rounds if one.reliability is not None]
    assert min(claims[-2:]) >= 0.9


def test_verdicts_that_come_a_few_at_a_time_give_as_good_a_ranking():
    run, truth = simulated(60, sd=2.5)
    run.run(each=7, most=20_000)
    assert run.row.stop_reason is WorkflowStopReason.TARGET
    assert spearman(ranked(run), truth) > 0.9


def test_equal_essays_are_stopped_by_the_budget():
    run, _ = simulated(20, sd=0.0)
    run.run()
    assert run.row.stop_reason is WorkflowStopReason.BUDGET
    assert run.result.reliability < 0.6


def test_confidences_that_mean_something_stop_it_earlier():
    plain, _ = simulated(60, (SimulatedJudge(confidence="noise"),))
    graded, _ = simulated(60, (SimulatedJudge(confidence="perceived"),))
    assert len(graded.run().state.comparisons) < 0.85 * len(plain.run().state.comparisons)
    assert graded.result.judges[0].confidence_used
    assert not plain.result.judges[0].confidence_used


def test_three_judges_of_which_one_is_noisy_and_some_calls_fail():
    run, truth = simulated(30, (PLAIN, PLAIN, NOISY), sd=2.5)
    run.run(fail=lambda number, submission: "LLM_PROVIDER_API_ERROR" if (number + submission) % 9 == 0 else None)
    assert run.row.stop_reason in {WorkflowStopReason.TARGET, WorkflowStopReason.BUDGET}
    assert spearman(ranked(run), truth) > 0.9
    shares = [one.comparisons / run.result.comparisons for one in run.result.judges]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)


def test_the_change_of_the_scores_is_kept_and_stops_nothing():
    run, _ = simulated(60, (SimulatedJudge(confidence="noise"),), sd=2.5)
    run.run(each=15)
    changes = [one.score_change for one in run.state.rounds if one.score_change is not None]
    assert len(changes) > 8
    assert min(changes) > 0.05, "neither of the thresholds .025 and .05 is ever reached"
