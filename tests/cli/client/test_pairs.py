"""The demo's pairs are balanced."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cli.client.prompt import balanced_rounds


@given(items=st.integers(2, 30).map(lambda n: n * 2), rounds=st.integers(1, 30), seed=st.integers())
def test_each_item_is_in_every_round_and_nearly_as_often_first_as_second(items: int, rounds: int, seed: int) -> None:
    pairs = balanced_rounds(items, rounds, seed)
    assert len(pairs) == items // 2 * rounds
    first = Counter(one for one, _ in pairs)
    both = first + Counter(other for _, other in pairs)
    assert all(one != other for one, other in pairs)
    assert all(both[item] == rounds for item in range(items))
    assert all(abs(2 * first[item] - rounds) <= 4 for item in range(items))


def test_the_same_seed_gives_the_same_pairs() -> None:
    assert balanced_rounds(12, 22, 1) == balanced_rounds(12, 22, 1) != balanced_rounds(12, 22, 2)
