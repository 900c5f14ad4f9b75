"""Rounds that use up all pairs: the round robin, and the last rounds before every pair has met.

A round is a perfect matching, a factor of the complete graph. Near the end not every choice of a round can be completed
to full rounds of the pairs that are left: two odd rings of items have no matching. So the last rounds are chosen so
that the rest still splits into factors.
"""

import numpy as np

from assessment.model.arrays import Array, Flags, Indices
from assessment.model.pairing.history import PairHistory

#: From this number of fresh partners an item on, a round is chosen with a look at those after it …
_LAST_ROUNDS = 5
#: … which is quick up to this number of items, and not needed beyond.
_MOST_ITEMS = 40
_TRIES, _STEPS = 60, 400


def next_factor(history: PairHistory, rng: np.random.Generator) -> Indices:
    """The fresh pairs of the round of a randomly labelled round robin that has most of them, shape (p, 2).

    Parameters
    ----------
    history : PairHistory
        A pair is fresh when it met history.level times.
    rng : numpy.random.Generator
        Labels the items; always in the same state, so that each call continues the same round robin.
    """
    n = history.n_items
    size = n + n % 2
    label = rng.permutation(size)
    best = np.empty((0, 2), dtype=np.intp)
    ring = size - 1
    for number in range(ring):
        # The circle method: one item stays, the others turn around it.
        one = (number + np.arange(size // 2)) % ring
        other = (number - np.arange(size // 2)) % ring
        other[0] = ring
        pairs = np.column_stack([label[one], label[other]])
        # With an odd number of items, the item that meets the added label sits out.
        pairs = pairs[np.all(pairs < n, axis=1)]
        fresh = pairs[history.met(pairs[:, 0], pairs[:, 1]) <= history.level]
        if len(fresh) > len(best):
            best = fresh
    return best


def can_finish(history: PairHistory, key: Array, rng: np.random.Generator) -> Indices | None:
    """A round after which the remaining fresh pairs still split into full rounds, shape (p, 2).

    None when the last rounds are far, when there are too many items, or when no such round was found.
    """
    n = history.n_items
    if n > _MOST_ITEMS:
        return None
    fresh = _fresh(history)
    left = int(fresh.sum(axis=1).max())
    if left > _LAST_ROUNDS:
        return None
    distance = np.abs(np.subtract.outer(key, key))
    padded = np.zeros(fresh.shape)
    padded[:n, :n] = distance
    scale = float(distance.mean()) or 1.0
    best: tuple[float, Indices] | None = None
    for attempt in range(_TRIES):
        noise = rng.exponential(scale, fresh.shape) * min(attempt, 1)
        pairs = _split(fresh.copy(), padded + noise + noise.T, left, rng)
        if pairs is not None:
            cost = float(padded[pairs[:, 0], pairs[:, 1]].sum())
            if best is None or cost < best[0]:
                best = cost, pairs
            if attempt > _TRIES // 4:
                break
    return None if best is None else best[1][np.all(best[1] < n, axis=1)]


def _fresh(history: PairHistory) -> Flags:
    """Which pairs are fresh, shape (size, size). With an odd n an item is added, which meets those that may sit out."""
    n = history.n_items
    size = n + n % 2
    one, other = np.triu_indices(n, 1)
    fresh = np.zeros((size, size), dtype=np.bool_)
    fresh[one, other] = history.met(one, other) <= history.level
    if n % 2:
        fresh[:n, n] = history.counts == history.counts.max()
    return fresh | fresh.T


def _split(fresh: Flags, cost: Array, rounds: int, rng: np.random.Generator) -> Indices | None:
    """The first of `rounds` factors of the graph `fresh`; the others are sought at random. None if not found."""
    first = None
    for number in range(rounds):
        factor = _factor(fresh, cost if not number else rng.random(cost.shape))
        if factor is None:
            return None
        fresh[factor[:, 0], factor[:, 1]] = fresh[factor[:, 1], factor[:, 0]] = False
        first = factor if first is None else first
    return first


def _factor(fresh: Flags, cost: Array) -> Indices | None:
    """A perfect matching: the item with the fewest free partners chooses the cheapest, with backtracking."""
    partners = [
        [int(j) for j in np.flatnonzero(row)[np.argsort(cost[i, row], kind="stable")]] for i, row in enumerate(fresh)
    ]
    free = set(range(len(fresh)))
    chosen: list[tuple[int, int]] = []
    steps = 0

    def search() -> bool:
        nonlocal steps
        steps += 1
        if not free:
            return True
        if steps > _STEPS:
            return False
        choices, one = min((sum(j in free for j in partners[i]), i) for i in free)
        if not choices:
            return False
        free.discard(one)
        for other in partners[one]:
            if other in free:
                free.discard(other)
                chosen.append((one, other))
                if search():
                    return True
                chosen.pop()
                free.add(other)
        free.add(one)
        return False

    return np.array(chosen, dtype=np.intp) if search() else None
