"""Pairs for the demo and `umpire tune`: rounds of random pairs, with each essay about as often first as second."""

import random


def balanced_rounds(items: int, rounds: int, seed: int) -> list[tuple[int, int]]:
    """Pairs (shown first, shown second). Each item occurs once per round; if `items` is odd, one item pauses in each.

    >>> balanced_rounds(2, 2, seed=0)
    [(0, 1), (1, 0)]
    """
    chance = random.Random(seed)
    surplus = [0] * items  # times shown first less times shown second
    pairs = []
    for _ in range(rounds):
        order = list(range(items))
        chance.shuffle(order)
        for one, other in zip(order[::2], order[1::2], strict=False):
            first, second = (one, other) if (surplus[one], one) <= (surplus[other], other) else (other, one)
            surplus[first] += 1
            surplus[second] -= 1
            pairs.append((first, second))
    return pairs
