"""Rounds: equal counts, no repeat before all pairs have met, balanced orientation, near strengths; quick."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.errors import AssessmentError, InvalidComparisons
from assessment.model.pairing.deal import deal
from assessment.model.pairing.history import PairHistory, read_history
from assessment.model.pairing.plan import RANDOM_ROUNDS, plan_round
from assessment.model.pairing.repeats import counts_once, pairs_exhausted


def rounds_of(n: int, count: int, seed: int, **options) -> list[PairHistory]:
    """The history after each round, with strengths that are known ever better."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 2, n)
    histories = [read_history(n)]
    for number in range(count):
        strengths = truth + rng.normal(0, 2 / (number + 1), n)
        pairs = plan_round(histories[-1], strengths, seed=seed, **options)
        if not len(pairs):
            break
        histories.append(read_history(n, np.concatenate([histories[-1].shown, pairs])))
    return histories


def check(histories: list[PairHistory]) -> None:
    n = histories[0].n_items
    one, other = np.triu_indices(n, 1)
    for before, after in itertools.pairwise(histories):
        pairs = after.shown[len(before.shown) :]
        assert len(pairs) == n // 2
        assert len(np.unique(pairs)) == 2 * len(pairs), "each item once a round"
        assert np.ptp(after.counts) <= 1
        assert np.max(np.abs(after.skew)) <= 4
        assert np.ptp(after.met(one, other)) <= 1, "no repeat before all pairs have met"


@pytest.mark.parametrize("n", [*range(2, 20), 23, 24, 25, 26, 27, 30, 41, 60, 99, 100])
def test_24_rounds_are_fair(n: int) -> None:
    check(rounds_of(n, 24, n))


@pytest.mark.parametrize("n", [2, 3, 7, 16, 17, 21, 24])
def test_all_ordered_pairs_are_asked_once_and_then_nothing(n: int) -> None:
    """Until pairs_exhausted, which a planner that is asked again confirms."""
    histories = rounds_of(n, 4 * n, 1)
    check(histories)
    assert len(histories[-1].shown) == n * (n - 1)
    assert len({tuple(pair) for pair in histories[-1].shown.tolist()}) == n * (n - 1)
    assert pairs_exhausted(histories[-1])
    assert not pairs_exhausted(histories[-2])
    assert not pairs_exhausted(histories[-1], n_judges=2)
    assert len(plan_round(histories[-1], None, n_judges=2))
    assert len(plan_round(histories[-1], None, allow_repeats=True))


def test_three_rounds_at_random_then_near_strengths() -> None:
    histories = rounds_of(100, 10, 2)
    truth = np.random.default_rng(2).normal(0, 2, 100)
    gaps = [
        np.mean(np.abs(np.diff(truth[after.shown[len(before.shown) :]], axis=1)))
        for before, after in itertools.pairwise(histories)
    ]
    assert min(gaps[:RANDOM_ROUNDS]) > 1.6
    assert max(gaps[RANDOM_ROUNDS + 2 :]) < 1.0


def test_the_same_arguments_give_the_same_round_and_another_seed_another() -> None:
    history = rounds_of(30, 4, 1)[-1]
    strengths = np.linspace(-2, 2, 30)
    one, again = (plan_round(history, strengths, seed=5) for _ in range(2))
    assert np.array_equal(one, again)
    start = read_history(30)
    assert not np.array_equal(plan_round(start, None, seed=5), plan_round(start, None, seed=6))


def test_items_of_a_lost_pair_come_first_in_the_next_round() -> None:
    """Their counts stay within one of the others: with an odd number, they are not the one that sits out."""
    history = rounds_of(21, 5, 3)[-1]
    short = read_history(21, history.shown[:-1])
    pairs = plan_round(short, np.zeros(21), seed=3)
    after = read_history(21, np.concatenate([short.shown, pairs]))
    assert set(history.shown[-1]) <= set(pairs.ravel())
    assert np.ptp(after.counts) <= 2


@pytest.mark.parametrize(("n", "limit"), [(300, 0.01), (2000, 0.06)])
def test_planning_is_quick(n: int, limit: float) -> None:
    """CPU time, with room for a busy machine."""
    history, rng = read_history(n), np.random.default_rng(1)
    for _ in range(6):
        began = time.thread_time()
        pairs = plan_round(history, rng.normal(size=n), seed=1)
        took = time.thread_time() - began
        history = read_history(n, np.concatenate([history.shown, pairs]))
    assert took < 3 * limit


def test_judges_get_their_shares_and_no_ordered_pair_twice() -> None:
    history, seen = read_history(8), set()
    for _ in range(40):
        pairs = plan_round(history, None, n_judges=2)
        if not len(pairs):
            break
        judges = deal(pairs, history, [1.0, 1.0])
        assert np.all(judges >= 0)
        for pair, judge in zip(pairs.tolist(), judges.tolist(), strict=True):
            assert (*pair, judge) not in seen
            seen.add((*pair, judge))
        history = read_history(8, np.concatenate([history.shown, pairs]), np.concatenate([history.judge, judges]))
        assert np.ptp(np.bincount(history.judge, minlength=2)) <= 8
    assert pairs_exhausted(history, n_judges=2)
    assert np.all(deal([(0, 1)], history, [1, 1]) == -1)
    assert np.all(deal([(0, 1)], history, [1, 1], allow_repeats=True) >= 0)


def test_unequal_shares() -> None:
    history = read_history(100)
    judges = deal(plan_round(history, None), history, [3.0, 1.0])
    assert np.bincount(judges).tolist() in ([37, 13], [38, 12])


def test_of_one_judge_each_ordered_pair_counts_once() -> None:
    shown, judges = [(0, 1), (1, 0), (0, 1), (0, 1)], [0, 0, 0, 1]
    assert counts_once(2, shown, judges).tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    "call",
    [
        lambda: plan_round(read_history(3), [1.0, 2.0]),
        lambda: plan_round(read_history(3), [1.0, 2.0, float("nan")]),
        lambda: plan_round(read_history(3), None, seed=-1),
        lambda: plan_round(read_history(3), None, n_judges=0),
        lambda: read_history(1),
        lambda: read_history(3, [(0, 0)]),
        lambda: read_history(3, [(0, 3)]),
        lambda: read_history(3, [(0, 1)], [0, 1]),
        lambda: deal([(0, 1)], read_history(2), []),
        lambda: deal([(0, 1)], read_history(2), [0.0]),
    ],
)
def test_bad_input_is_refused(call) -> None:
    with pytest.raises(InvalidComparisons):
        call()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_history_gives_a_round_or_a_typed_error(data) -> None:
    n = data.draw(st.integers(2, 22))
    pair = st.tuples(st.integers(-1, n), st.integers(0, n - 1))
    shown = data.draw(st.lists(pair, max_size=60))
    strengths = data.draw(st.none() | st.lists(st.floats(-30, 30), min_size=n, max_size=n))
    try:
        history = read_history(n, shown)
    except AssessmentError:
        return
    pairs = plan_round(history, strengths, seed=data.draw(st.integers(0, 5)))
    assert len(np.unique(pairs)) == pairs.size
    assert len(pairs) or pairs_exhausted(history)
