"""The plot is written as a PNG and an SVG that name every item."""

from pathlib import Path

import pytest
from umpire_assessment import simulate

from assessment.errors import InvalidComparisons
from assessment.model.strengths.fit import fit_bradley_terry
from assessment.plot import plot_ranking
from assessment.samples import load_samples


def test_writes_both_files(tmp_path: Path) -> None:
    _, pairs, first = simulate(12, 20, sd=1.5, order=0.3, seed=1)
    names = [*list(load_samples())[:11], "an essay on $100 and $x_"]
    for given in ("ranking", "ranking.png", "ranking.svg"):
        png, svg = plot_ranking(fit_bradley_terry(12, pairs, first), names, tmp_path / given)
        assert (png.name, svg.name) == ("ranking.png", "ranking.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    assert text.rstrip().endswith("</svg>")
    assert all(f"{name} -->" in text for name in names)


def test_wants_a_name_for_each_item(tmp_path: Path) -> None:
    with pytest.raises(InvalidComparisons):
        plot_ranking(fit_bradley_terry(2, [(0, 1)]), ["a"], tmp_path / "x")
