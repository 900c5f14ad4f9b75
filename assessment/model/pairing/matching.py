"""A matching of all items with small distances of their keys, without pairs that met before."""

import numpy as np

from assessment.model.arrays import Array, Flags, Indices
from assessment.model.pairing.history import PairHistory

#: Each item may be paired with one of the next _REACH items in the order of the keys.
_REACH = 10
_TRIES = 30
#: After a try that failed, keys are moved by this share of the mean distance of neighbours, times the try's number.
_SHAKE = 0.5


def match(history: PairHistory, key: Array, rng: np.random.Generator) -> Indices:
    """Match items of near keys.

    Parameters
    ----------
    history : PairHistory
        A pair that met more often than history.level is not taken again.
    key : array, shape (n,)
        Distances are absolute differences of it.
    rng : numpy.random.Generator
        Chooses who sits out, and shakes keys.

    Returns
    -------
    array of int, shape (p, 2)
        p is n // 2; less when no full matching was found.
    """
    n = history.n_items
    playing = np.arange(n)
    if n % 2:
        most = np.flatnonzero(history.counts == history.counts.max())
        playing = np.delete(playing, rng.choice(most))
    best = np.empty((0, 2), dtype=np.intp)
    step = float(np.ptp(key)) / n
    for attempt in range(_TRIES):
        shaken = key if not attempt else key + rng.normal(0, _SHAKE * attempt * (step or 1.0), n)
        pairs = _exchange(_greedy(history, shaken, playing), history, shaken)
        fresh = pairs[history.met(pairs[:, 0], pairs[:, 1]) <= history.level]
        if len(fresh) > len(best):
            best = fresh
        if len(best) == len(playing) // 2:
            break
    return best


def _greedy(history: PairHistory, key: Array, playing: Indices) -> Indices:
    """All of `playing` in pairs: fresh near ones first, then whatever is left."""
    order = playing[np.argsort(-key[playing], kind="stable")]
    near = [np.column_stack([order[:-gap], order[gap:]]) for gap in range(1, min(_REACH, len(order) - 1) + 1)]
    free = np.zeros(history.n_items, dtype=np.bool_)
    free[playing] = True
    pairs = _take(np.concatenate(near), history, key, free, stale=False)
    while np.any(free):
        left = order[free[order]][: 20 * _REACH]
        high, low = np.triu_indices(len(left), 1)
        pairs += _take(np.column_stack([left[high], left[low]]), history, key, free, stale=True)
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _take(edges: Indices, history: PairHistory, key: Array, free: Flags, *, stale: bool) -> list[list[int]]:
    """Take edges whose two items are free: those that met least first, then the shortest."""
    met = history.met(edges[:, 0], edges[:, 1])
    if not stale:
        edges, met = edges[met <= history.level], met[met <= history.level]
    length = np.abs(key[edges[:, 0]] - key[edges[:, 1]])
    is_free = free.tolist()
    taken = []
    for edge in edges[np.lexsort((length, met))].tolist():
        one, other = edge
        if is_free[one] and is_free[other]:
            is_free[one] = is_free[other] = False
            taken.append(edge)
    free[:] = is_free
    return taken


def _exchange(pairs: Indices, history: PairHistory, key: Array) -> Indices:
    """Pairs that met before exchange partners with the pair where that costs least, and both new ones are fresh."""
    for place in np.flatnonzero(history.met(pairs[:, 0], pairs[:, 1]) > history.level):
        one, other = pairs[place]
        cost = np.full((2, len(pairs)), np.inf)
        for way in (0, 1):
            third, fourth = pairs[:, way], pairs[:, 1 - way]
            fresh = (third != one) & (third != other)
            fresh &= history.met(np.full_like(third, one), third) <= history.level
            fresh &= history.met(np.full_like(fourth, other), fourth) <= history.level
            cost[way, fresh] = (np.abs(key[one] - key[third]) + np.abs(key[other] - key[fourth]))[fresh]
        side, mate = divmod(int(np.argmin(cost)), len(pairs))
        if np.isfinite(cost[side, mate]):
            third, fourth = pairs[mate, side], pairs[mate, 1 - side]
            pairs[place], pairs[mate] = (one, third), (other, fourth)
    return pairs
