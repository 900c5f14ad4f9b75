"""The sample essays are what the demo and its readers take them for."""

import random

from assessment.samples import INTENDED_ORDER, load_samples


def test_a_dozen_essays_of_120_to_220_words() -> None:
    essays = load_samples()
    assert len(essays) == 12
    for text in essays.values():
        assert 120 <= len(text.split()) <= 220


def test_the_order_they_come_in_says_nothing_about_quality() -> None:
    """Alphabetical, far from the intended order; and no text names a rank or itself."""
    names = list(load_samples())
    assert sorted(INTENDED_ORDER) == names
    places = [INTENDED_ORDER.index(name) for name in names]
    drift = sum(abs(place - row) for row, place in enumerate(places))
    shuffled = [sum(abs(p - r) for r, p in enumerate(random.Random(s).sample(range(12), 12))) for s in range(500)]
    assert sorted(shuffled)[50] < drift < sorted(shuffled)[450]
    assert not any(name in text.lower().split() for text in load_samples().values() for name in INTENDED_ORDER)
