"""The result: who is in it, its numbers, its judges and its warnings."""

import numpy as np
import pytest
from umpire_workflow import Run, counts_of, new_state

from assessment.model.strengths.fit import fit_bradley_terry


def test_each_student_is_in_exactly_one_list():
    run = Run(new_state(12, anchors=("A", "B", "C"), grade_scale=("C", "B", "A"))).run()
    result = run.result
    assert sorted(result.successful_ids) == sorted(f"s{i}" for i in range(12))
    assert result.failed_ids == ()


def test_strengths_are_those_of_a_fit_of_all_verdicts():
    run = Run(new_state(12)).run()
    rows = run.state.comparisons
    fit = fit_bradley_terry(
        12,
        [(one.first, one.second) if one.first_won else (one.second, one.first) for one in rows],
        [one.first for one in rows],
    )
    found = {one.index: one for one in run.result.scores}
    assert [found[i].strength for i in range(12)] == pytest.approx(fit.strengths.tolist(), abs=1e-6)
    assert [found[i].standard_error for i in range(12)] == pytest.approx(fit.standard_errors.tolist(), abs=1e-6)
    assert run.result.reliability == pytest.approx(fit.reliability)
    assert [one.comparisons for _, one in sorted(found.items())] == counts_of(run.state)


def test_the_numbers_of_comparisons_and_the_cost():
    run = Run(new_state(12, max_comparisons_per_essay=10)).run()
    assert run.result.comparisons == 60
    assert run.result.comparisons_per_essay == 10
    assert run.result.cost_usd == pytest.approx(0.06)
    assert run.result.duration_seconds == run.now - run.row.created_at


def test_a_judge_of_unknown_price_makes_the_cost_unknown():
    assert Run(new_state(12, price=None)).run().result.cost_usd is None


def test_the_budget_is_named_when_it_ends_it():
    run = Run(new_state(12, max_comparisons_per_essay=4)).run()
    assert "The budget ended the comparisons before the target reliability was reached." in run.result.warnings


def test_a_judge_that_depends_on_the_order_is_named():
    run = Run(new_state(60), order_effect=2.5).run()
    (judge,) = run.result.judges
    assert judge.order_effect > 0.8
    assert judge.first_share > 0.6
    assert "model-0 depends strongly on which essay is shown first." in run.result.warnings


def test_three_judges_have_slopes_and_one_at_random_is_named():
    run = Run(new_state(30, judges=3, target_reliability=0.949))
    fair = run.verdict
    run.verdict = lambda number: (
        fair(number) if run.state.comparisons[number].judge else type(fair(number))(run.rng.random() < 0.5, 3.0, 0.001)
    )
    run.run()
    slopes = [one.slope for one in run.result.judges]
    assert slopes[0] < min(slopes[1:])
    assert run.result.judges[0].is_weak
    assert "model-0 hardly agrees with the other judges." in run.result.warnings


def test_a_judge_without_a_verdict_is_listed():
    run = Run(new_state(12, judges=2, max_comparisons=120, target_reliability=0.949))
    run.run(fail=lambda number, submission: "LLM_CONTENT_TOO_LONG" if run.state.comparisons[number].judge else None)
    first, second = run.result.judges
    assert (first.comparisons, second.comparisons) == (run.result.comparisons, 0)
    assert first.comparisons > 60, "a judge that fails gets nothing any more"
    assert second.order_effect is None


def test_lengths_give_a_length_effect():
    run = Run(new_state(20, words=300)).run()
    assert run.result.judges[0].length_effect == pytest.approx(0, abs=1e-6)
    assert Run(new_state(20)).run().result.judges[0].length_effect is None


def test_groups_that_never_met_are_named():
    run = Run(new_state(12, max_comparisons=6)).run()
    assert run.result.groups == 6
    assert any("6 groups of essays were never compared" in one for one in run.result.warnings)


def test_confidences_are_used_where_they_mean_something():
    run = Run(new_state(60, target_reliability=0.949), strengths=np.random.default_rng(2).normal(0, 2, 60))
    plain = run.verdict

    def graded(number):
        one = run.state.comparisons[number]
        margin = abs(run.strengths[one.first] - run.strengths[one.second])
        return type(plain(number))(plain(number).first_won, float(min(5, 1 + int(1.5 * margin))), 0.001)

    run.verdict = graded
    run.run()
    assert run.result.judges[0].confidence_used
    assert run.row.graded == (0,)
