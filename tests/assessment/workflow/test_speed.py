"""The cost of a decision: flat, and small beside the fit."""

from time import process_time

import numpy as np
from umpire_workflow import Run, new_state

from assessment.workflow.decide import decide
from assessment.workflow.planning import Planner
from assessment.workflow.progress import count_comparisons, decision_is_due
from assessment.workflow.tally import take_tally

ESSAYS, EACH = 300, 24


def large_state():
    """300 essays near the end of 24 comparisons each, with comparisons in flight."""
    run = Run(new_state(ESSAYS, iterative=False, max_comparisons_per_essay=EACH, batch_size=200))
    run.step()
    while len(run.sent) < ESSAYS * EACH / 2:
        run.answer(100)
        run.step()
    return run


def least(function, times=7):
    found = []
    for _ in range(times):
        begin = process_time()
        function()
        found.append(process_time() - begin)
    return min(found)


def test_a_decision_on_3600_comparisons_takes_well_under_50_ms():
    run = large_state()
    assert len(run.state.comparisons) == 3600
    assert not decide(run.state, run.now).commands
    assert least(lambda: decide(run.state, run.now)) < 0.02


def test_planning_a_round_of_300_essays_takes_well_under_50_ms():
    run = large_state()
    strengths = tuple(np.random.default_rng(1).normal(0, 2, ESSAYS).tolist())
    state = run.state

    def plan():
        tally = take_tally(state, run.now)
        tally.playing(state.essays)
        planner = Planner(state, tally, strengths)
        # The budget is used up, so this is what a round costs before its pairs are chosen …
        assert planner.next_round().over_budget
        # … and this is what they cost.
        assert len(planner._choose(ESSAYS)[0]) == ESSAYS // 2

    assert least(plan) < 0.05


def test_counts_alone_say_whether_to_decide():
    run = large_state()
    counts = count_comparisons(run.state.comparisons)
    assert not decision_is_due(run.row, run.state.rounds, counts, run.now)
    assert least(lambda: decision_is_due(run.row, run.state.rounds, counts, run.now)) < 0.001
