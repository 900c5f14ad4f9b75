"""What holds of an assessment whatever happens."""

from collections import Counter

from umpire_workflow import counts_of

from assessment.workflow.commands import Complete
from assessment.workflow.state import ComparisonStatus, TextStatus

#: USD of a verdict.
PRICE = 0.001


def check_verdicts(state, first_verdict, judged):
    """The first verdict of a comparison counts, once; each is billed. `first_verdict`: by number, as delivered."""
    rows = state.comparisons
    assert {one.number: one.first_won for one in rows if one.first_won is not None} == first_verdict
    assert all((one.first_won is not None) == (one.status is ComparisonStatus.SUCCEEDED) for one in rows)
    assert sum(one.verdicts for one in rows) == judged


def check_pairs(state):
    """Numbers have no gaps, and no judge is asked the same twice, unless it had failed."""
    rows = state.comparisons
    assert [one.number for one in rows] == list(range(len(rows)))
    asked = Counter(_question(one) for one in rows if one.status is not ComparisonStatus.FAILED)
    failed = {_question(one) for one in rows if one.error_code is not None}
    assert {question for question, count in asked.items() if count > 1} <= failed


def check_cost(state):
    """Within the limit; only a verdict on a submission that had been given up may come on top."""
    limit = state.assessment.options.max_cost_usd
    if limit is not None:
        unexpected = sum(max(one.verdicts - 1, 0) + (one.submissions > 1) for one in state.comparisons)
        assert sum(one.cost_usd for one in state.comparisons) <= limit + PRICE * unexpected + 1e-9


def check_ends(state, ends):
    """Every student essay is in exactly one list of each result, and the bills add up."""
    for then, command in ends:
        if isinstance(command, Complete):
            found = command.outcome
            students = sorted(one.essay_id for one in then.essays if not one.is_anchor)
            assert sorted(found.successful_ids + found.failed_ids) == students
            ranks = sorted(one.rank for one in found.scores if not one.is_anchor)
            assert ranks == list(range(1, len(found.successful_ids) + 1))
            assert found.successful_ids, "completed without a ranked essay"
    assert sum(command.quantity for _, command in ends) == state.assessment.billed


def check_counts(state):
    """When all succeed, counts of comparisons differ by one at most."""
    if state.comparisons and all(one.status is ComparisonStatus.SUCCEEDED for one in state.comparisons):
        counts = counts_of(state)
        ready = [counts[one.index] for one in state.essays if one.text_status is TextStatus.READY]
        assert max(ready) - min(ready) <= 1


def _question(one):
    return (one.first, one.second, one.judge)
