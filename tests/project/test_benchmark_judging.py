"""The simulator of classes: its figures mean what they say, and a small run of it goes through."""

import json

import numpy as np
import pytest

from benchmarks.judging import __main__ as judging
from benchmarks.judging.classes import Setting, run_class
from benchmarks.judging.grading import qwk
from benchmarks.judging.judges import SimulatedJudge
from benchmarks.judging.noise import reaches, spread
from benchmarks.judging.study import Judged


def test_where_a_median_curve_reaches_a_level() -> None:
    curves = np.array([[0.90, 0.94, 0.96], [0.90, 0.94, 0.96], [0.1, 0.2, 0.3]])
    assert reaches(curves, [8, 10, 12]) == pytest.approx(11.0)
    assert reaches(curves, [8, 10, 12], 0.5) == 8
    assert np.isnan(reaches(curves, [8, 10, 12], 0.99))


def test_the_noise_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(0, 3, 400)
    mean, error = spread(values, np.mean)
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(3 / 20, rel=0.2)


def test_kappa_with_quadratic_weights() -> None:
    true = np.array([0, 1, 2, 0, 1, 2])
    assert qwk(true, true, 3) == 1
    assert qwk(true, true[::-1], 3) == pytest.approx(-1)


def test_a_goal_is_met_in_its_direction() -> None:
    assert Judged("less", 1.0, 2.0).met
    assert not Judged("more", 1.0, 2.0, at_least=True).met


def test_a_class_is_the_same_again_with_and_without_confidences_that_are_not_used() -> None:
    """So that a judge whose confidences are noise can be compared with the bare one."""
    settings = [
        Setting(12, 2.0, (SimulatedJudge(confidence=kind),), use_confidence=used, rounds=10)
        for kind, used in (("perceived", False), ("noise", True), ("noise", True))
    ]
    bare, noise, again = (run_class(setting, 3) for setting in settings)
    assert [one.rho for one in bare] == [one.rho for one in noise] == [one.rho for one in again]


def test_a_small_run_goes_through(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(judging, "OUT", tmp_path)
    assert judging.main(["several", "--runs", "2"]) in {0, 1}
    assert "a judge at random is found" in capsys.readouterr().out
    found = json.loads((tmp_path / "judging.json").read_text())
    assert len(found["studies"]["several"]["rows"]) == 6
    assert (tmp_path / "judging.png").stat().st_size > 1000
