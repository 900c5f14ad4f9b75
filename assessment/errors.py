"""The errors of an assessment.

AssessmentError
├── InvalidComparisons        the caller's data are not comparisons of these items (also a ValueError)
├── InsufficientComparisons   nothing to fit: fewer than two items, or no comparison
└── ScoreConvergenceFailed    the fit did not reach its tolerance
"""

from typing import ClassVar

from contracts.enums import CJAssessmentErrorCode


class AssessmentError(Exception):
    #: The error code on the wire; None for a programming error of the caller, which is never sent.
    code: ClassVar[CJAssessmentErrorCode | None] = None


class InvalidComparisons(AssessmentError, ValueError):
    pass


class InsufficientComparisons(AssessmentError):
    code = CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS


class ScoreConvergenceFailed(AssessmentError):
    code = CJAssessmentErrorCode.SCORE_CONVERGENCE_FAILED
