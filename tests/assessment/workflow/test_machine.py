"""Any order of callbacks, duplicates, losses, late ones, kills, and two processes at once."""

import random
from collections import Counter

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from umpire_workflow_machine import ERROR_CODES, AssessmentMachine

from assessment.workflow.record import FailedAnswer, JudgedAnswer, failure_kind
from contracts.enums import CJBatchStateEnum, LLMBatchingMode

TestAssessmentMachine = AssessmentMachine.TestCase
TestAssessmentMachine.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_long_histories(seed):
    """The machine's own steps in long random order, with the invariants."""
    note(str(seed))
    history(seed).teardown()


def history(seed, steps=250):
    rng = random.Random(seed)
    machine = AssessmentMachine()
    machine.begin(
        students=rng.randint(2, 9),
        recovers=rng.random() < 0.5,
        anchors=rng.randint(0, 3),
        missing={rng.randint(0, 9)} if rng.random() < 0.2 else set(),
        per_essay=rng.randint(2, 16),
        judges=rng.randint(1, 3),
        mode=rng.choice([LLMBatchingMode.PER_REQUEST] * 4 + [LLMBatchingMode.PROVIDER_BATCH_API]),
        iterative=rng.random() < 0.9,
        cost=rng.choice([None, None, None, 0.01, 0.05]),
        batch=rng.choice([2, 10]),
    )
    trouble = rng.choice([0.0, 0.1, 0.4])
    waiting = []
    for _ in range(steps):
        _step(machine, rng, waiting, trouble)
        machine.check()
    return machine


def _step(machine, rng, waiting, trouble):
    """One action; `waiting`: decisions that two processes have not written yet."""
    if rng.random() < 0.15 * trouble:
        rng.choice([machine.hold, machine.hold_ends, lambda: machine.lose_a_callback(rng)])()
        return
    match rng.choices(range(8), [25, 25, 15, 20, 25, 1 + 8 * trouble, 2 * trouble, 3])[0]:
        case 0 if len(waiting) < 2:
            decided = machine.read_and_decide(kill=rng.random() < 0.2 * trouble)
            waiting += [decided] if isinstance(decided, tuple) else []
        case 1 if waiting:
            machine.write(waiting.pop(rng.randrange(len(waiting))))
        case 2:
            machine.send_a_chunk(rng, accepted_is_lost=rng.random() < 0.3 * trouble)
        case 3:
            machine.judge(rng, [_answer(rng, trouble) for _ in range(rng.randint(1, 10))])
        case 4:
            machine.deliver(rng, rng.randint(1, 8), again=rng.random() < 0.2 * trouble)
        case 5:
            machine.time_passes(rng.choice([1.0, 60.0, 120.0, 600.0, 4200.0]))
        case 6:
            machine.refuse(rng, rng.choice(ERROR_CODES))
        case 7 if machine.state.assessment.state is CJBatchStateEnum.COMPLETED and rng.random() < 0.1:
            machine.extend(rng.randint(1, 6))
        case 7 if rng.random() < 0.02 * trouble:
            machine.cancel(0)
        case _:
            pass


def _answer(rng, trouble):
    if rng.random() < trouble:
        code = rng.choice(ERROR_CODES)
        return FailedAnswer(failure_kind(code), code)
    return JudgedAnswer(rng.random() < 0.5, rng.choice([1.0, 3.0, 5.0]), 0.001)


def test_the_long_histories_reach_what_they_are_to_reach():
    """So that no change of the rules makes the other test an empty one."""
    seen = Counter()
    for seed in range(40):
        machine = history(seed)
        machine.teardown()
        row, comparisons = machine.state.assessment, machine.state.comparisons
        seen[row.state] += 1
        seen[row.stop_reason] += 1
        seen["extended"] += row.version > 1
        seen["partial"] += any(one.partial for one in machine.state.rounds)
        seen["retried"] += any(one.submissions > 2 for one in comparisons)
        seen["judged twice"] += any(one.verdicts > 1 for one in comparisons)
        seen["conflict"] += machine.conflicts > 0
    wanted = {CJBatchStateEnum.COMPLETED, CJBatchStateEnum.FAILED, "extended", "retried", "partial", "conflict"}
    assert all(seen[one] for one in wanted), seen
