"""What an assessment can end in.

AssessmentError
├── InvalidComparisons        the caller's data is no set of comparisons of these items (also a ValueError)
├── InsufficientComparisons   nothing to fit: fewer than two items, or no comparison
└── ScoreConvergenceFailed    the fit did not reach its tolerance
"""

from typing import ClassVar

from contracts.enums import CJAssessmentErrorCode


class AssessmentError(Exception):
    #: The code on the wire; None for a caller's bug, which never gets that far.
    code: ClassVar[CJAssessmentErrorCode | None] = None


class InvalidComparisons(AssessmentError, ValueError):
    pass


class InsufficientComparisons(AssessmentError):
    code = CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS


class ScoreConvergenceFailed(AssessmentError):
    code = CJAssessmentErrorCode.SCORE_CONVERGENCE_FAILED
