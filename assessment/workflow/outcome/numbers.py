"""The result of an assessment as numbers; the events, the report and the tables are written from it."""

from dataclasses import dataclass
from typing import Literal

from assessment.workflow.state import WorkflowStopReason

GradeConfidence = Literal["HIGH", "MID", "LOW"]
#: Probability of the grade from which on a label is given.
HIGH_FROM, MID_FROM = 0.70, 0.40


@dataclass(frozen=True, slots=True)
class EssayScore:
    """Of one essay or anchor that was ranked.

    Attributes
    ----------
    rank : int
        From 1: of a student's essay among the students' essays, of an anchor among all.
    strength, standard_error : float
        Logits. The strengths of all ranked essays have mean 0.
    comparisons : int
        Verdicts on it that count.
    grade : str or None
        In the words of the scale: the median grade; of an anchor the known one. None without grades.
    letter_grade : str
        `grade`, if consumers of the event accept it, else U.
    grade_probability : float
        Of `grade`, 0–1; 1 of an anchor, 0 without grades.
    normalized_score : float
        0–1, by the grade; 0 without grades.
    probabilities : tuple of float
        Of each grade of the scale, lowest first; empty without grades.
    """

    index: int
    essay_id: str
    is_anchor: bool
    rank: int
    strength: float
    standard_error: float
    comparisons: int
    grade: str | None = None
    letter_grade: str = "U"
    grade_probability: float = 0.0
    confidence_label: GradeConfidence = "LOW"
    normalized_score: float = 0.0
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeSummary:
    """Of one judge: see assessment.model.diagnostics. Effects are in logits; None: not known."""

    index: int
    provider: str | None
    model: str | None
    temperature: float | None
    comparisons: int
    cost_usd: float
    first_share: float | None = None
    order_effect: float | None = None
    order_effect_error: float | None = None
    length_effect: float | None = None
    length_effect_error: float | None = None
    slope: float | None = None
    slope_error: float | None = None
    #: It hardly follows the other judges (from three judges on).
    is_weak: bool = False
    confidence_used: bool = False


@dataclass(frozen=True, slots=True)
class GradeCalibration:
    """How grades were predicted.

    Attributes
    ----------
    available : bool
        Whether there are grades.
    reason : str or None
        Why not.
    scale : tuple of str
        Grades, lowest first.
    boundaries : tuple of float
        Where each grade above the lowest begins, in logits.
    anchors_by_grade : tuple of (str, int)
        Grades and their numbers of anchors, lowest first.
    flagged_anchors : tuple of str
        Essay ids of anchors whose grade a person should check.
    missing_grades : tuple of str
        Grades without an anchor.
    """

    available: bool
    reason: str | None = None
    scale: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()
    anchors_by_grade: tuple[tuple[str, int], ...] = ()
    flagged_anchors: tuple[str, ...] = ()
    missing_grades: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssessmentOutcome:
    """Of a completed assessment.

    Attributes
    ----------
    scores : tuple of EssayScore
        Students' essays and anchors, strongest first.
    successful_ids, failed_ids : tuple of str
        Of the students' essays in the order of the request; each is in exactly one of them.
    comparisons : int
        Comparisons whose verdict counts.
    comparisons_per_essay : float
        Mean over all ranked essays.
    reliability, reliability_error : float or None
        0–1 and its standard error; None without a fit.
    prior_sd : float or None
        τ in logits.
    unjudged : tuple of int
        Numbers of comparisons that failed for good or have no verdict.
    few_comparisons : tuple of str
        Essay ids with less than 0.7 of the median number of comparisons.
    misfits : tuple of str
        Essay ids whose verdicts contradict their strengths most: to look at, and no more.
    groups : int
        Groups of essays that were never compared with each other.
    cost_usd : float or None
        Of all answers; None if a price is unknown.
    """

    scores: tuple[EssayScore, ...]
    successful_ids: tuple[str, ...]
    failed_ids: tuple[str, ...]
    single_essay_batch: bool
    stop_reason: WorkflowStopReason
    comparisons: int
    comparisons_per_essay: float
    duration_seconds: float
    cost_usd: float | None
    grades: GradeCalibration
    reliability: float | None = None
    reliability_error: float | None = None
    prior_sd: float | None = None
    unjudged: tuple[int, ...] = ()
    few_comparisons: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    groups: int = 1
    judges: tuple[JudgeSummary, ...] = ()
    warnings: tuple[str, ...] = ()
