"""Grades from anchors: agreement with the true grades, calibration, and wrong anchors."""

from dataclasses import dataclass

import numpy as np

from assessment.model.grades.predict import predict_grades
from assessment.model.pairing.history import read_history
from assessment.model.pairing.plan import plan_round
from assessment.model.strengths.fit import fit_verdicts
from assessment.model.strengths.verdicts import read_verdicts
from benchmarks.judging.judges import SimulatedJudge
from benchmarks.judging.noise import spread
from benchmarks.judging.study import Cell, Judged, Table, each_class

#: Share of essays of each of six grades.
DISTRIBUTION = np.array([0.07, 0.18, 0.25, 0.25, 0.18, 0.07])
_STUDENTS, _SD, _SIGMA, _K = 30, 2.0, 0.5, 12
_JUDGE = SimulatedJudge(order_effect=0.3, lapse_rate=0.03)


@dataclass
class Graded:
    truth: np.ndarray
    probabilities: np.ndarray
    grade: np.ndarray
    flagged: np.ndarray
    #: The anchor whose grade is wrong, if any.
    wrong: int | None


def grade_class(anchors, seed, *, known=True, moved=0, k=_K):
    """`moved`: by how many grades one anchor is wrong."""
    rng = np.random.default_rng(seed)
    g = len(DISTRIBUTION)
    cuts = np.quantile(np.random.default_rng(0).normal(0, np.hypot(_SD, _SIGMA), 200_000), np.cumsum(DISTRIBUTION)[:-1])
    pool = rng.normal(0, _SD, 3000)
    graded = np.searchsorted(cuts, pool + rng.normal(0, _SIGMA, len(pool)))
    wanted = [anchors // g + (place < anchors % g) for place in range(g)]
    chosen = np.concatenate([np.flatnonzero(graded[_STUDENTS:] == grade)[:count] for grade, count in enumerate(wanted)])
    which = np.concatenate([np.arange(_STUDENTS), _STUDENTS + chosen])
    theta, truth = pool[which], graded[which]
    n = len(theta)
    shown, won, fit = np.empty((0, 2), dtype=int), np.empty(0, dtype=bool), None
    for _ in range(k):
        pairs = plan_round(read_history(n, shown), None if fit is None else fit.strengths, seed=seed)
        won = np.concatenate([won, _JUDGE.answer(theta, pairs, rng, rng)[0]])
        shown = np.concatenate([shown, pairs])
        fit = fit_verdicts(read_verdicts(n, np.where(won[:, None], shown, shown[:, ::-1]), shown[:, 0]))
    anchor = np.arange(_STUDENTS, n)
    labels, wrong = truth[anchor].copy(), None
    if moved:
        movable = [(a, s) for a in range(len(labels)) for s in (-moved, moved) if 0 <= labels[a] + s < g]
        wrong, by = movable[rng.integers(len(movable))]
        labels[wrong] += by
    found = predict_grades(
        fit.strengths,
        fit.standard_errors**2,
        anchor,
        labels,
        n_grades=g,
        prior_sd=fit.prior_sd,
        distribution=DISTRIBUTION if known else None,
    )
    return Graded(truth[:_STUDENTS], found.probabilities[:_STUDENTS], found.grade[:_STUDENTS], found.flagged, wrong)


def qwk(true, found, g):
    """Cohen's kappa with quadratic weights."""
    table = np.zeros((g, g))
    np.add.at(table, (true, found), 1)
    weight = np.subtract.outer(np.arange(g), np.arange(g)) ** 2
    chance = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return float(1 - (weight * table).sum() / (weight * chance).sum())


def calibration(classes):
    """(of the top grade, mean over grades): |claimed − found| over ten bins, weighted by their essays."""
    truth = np.concatenate([one.truth for one in classes])
    p = np.concatenate([one.probabilities for one in classes])
    top = _gap(p.max(axis=1), p.argmax(axis=1) == truth)
    return top, float(np.mean([_gap(p[:, grade], truth == grade) for grade in range(p.shape[1])]))


def _gap(claimed, right):
    place = np.minimum((claimed * 10).astype(int), 9)
    return sum(abs(np.sum(claimed[place == b] - right[place == b])) for b in range(10)) / len(claimed)


#: (anchors, distribution known, grades that one anchor is wrong by, QWK in judging.md)
_CASES = (
    (6, True, 0, None),
    (12, True, 0, 0.852),
    (18, True, 0, None),
    (27, True, 0, None),
    (12, False, 0, 0.82),
    (18, False, 0, None),
    (12, True, 3, None),
    (12, True, 2, None),
    (12, True, 1, None),
)


def grading(runs: int) -> Table:
    table = Table(
        f"Grades: {_STUDENTS} essays, 6 grades, k {_K}, sd {_SD:g}, noisy judge",
        (
            "anchors",
            "distribution",
            "one wrong by",
            "QWK",
            "exact",
            "ECE",
            "class-wise",
            "found",
            "false flags",
            "runs",
        ),
    )
    for anchors, known, moved, reference in _CASES:
        classes = each_class(grade_class, "grading", runs, anchors, known=known, moved=moved)
        g = len(DISTRIBUTION)
        indices = np.arange(len(classes))

        def pooled(some, classes=classes, g=g):
            chosen = [classes[int(place)] for place in some]
            return qwk(np.concatenate([c.truth for c in chosen]), np.concatenate([c.grade for c in chosen]), g)

        def class_wise(some, classes=classes):
            return calibration([classes[int(place)] for place in some])[1]

        agreement, calibrated = spread(indices, pooled), spread(indices, class_wise)
        hits = [bool(c.flagged[c.wrong]) for c in classes if c.wrong is not None]
        false = [np.mean(np.delete(c.flagged, c.wrong if c.wrong is not None else [])) for c in classes]
        table.add(
            anchors,
            "known" if known else "unknown",
            moved or "–",
            Cell(*agreement),
            Cell(float(np.mean(np.concatenate([c.truth == c.grade for c in classes]))), digits=2),
            Cell(calibration(classes)[0]),
            Cell(*calibrated),
            Cell(*spread(hits, np.mean), 2) if hits else "–",
            Cell(*spread(false, np.mean), 4),
            runs,
        )
        label = f"{anchors} anchors, distribution {'known' if known else 'unknown'}"
        if reference:
            table.goals.append(
                Judged(f"{label}: QWK of the median grade", agreement[0], reference - 0.02, agreement[1], at_least=True)
            )
        if anchors == 12 and known and not moved:
            table.goals.append(Judged(f"{label}: class-wise calibration error", calibrated[0], 0.04, calibrated[1]))
            value, noise = spread(false, np.mean)
            table.goals.append(Judged(f"{label}: false flags", value, 0.02, noise))
        if moved == 3:
            value, noise = spread(hits, np.mean)
            table.goals.append(Judged("an anchor wrong by 3 is flagged", value, 0.85, noise, at_least=True))
            value, noise = spread(false, np.mean)
            table.goals.append(Judged("… with false flags of others", value, 0.02, noise))
    return table
