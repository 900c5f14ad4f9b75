"""The errors of an assessment.

AssessmentError
├── InvalidComparisons        the caller's data are not comparisons of these items (also a ValueError)
├── InsufficientComparisons   nothing to fit: fewer than two items, or no comparison
├── ScoreConvergenceFailed    the fit did not reach its tolerance
├── UnreadableEvent           not a JSON object: nothing can be answered
├── InvalidAssessmentRequest  a field of a request event is missing or wrong
├── InvalidGradeScale
├── ContentUnavailable        the text of an essay cannot be fetched, or is none
├── StoreUnavailable          the database cannot be reached, or took too long: trying again helps
├── DatabaseInUse             another process uses this SQLite file
├── AssessmentNotFound
├── IdempotencyMismatch       the Idempotency-Key was used before, with another body
├── UnknownAssignment
└── AssignmentInUse           its grade scale or origin cannot change while it has anchors
"""

from typing import Any, ClassVar

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


class UnreadableEvent(AssessmentError):
    pass


class InvalidAssessmentRequest(AssessmentError):
    """`field`: the path of the field in `data`, or in the envelope. `identity`: what is readable of the event."""

    code = CJAssessmentErrorCode.INVALID_REQUEST

    def __init__(self, message: str, *, field: str, identity: Any) -> None:
        super().__init__(f"{field}: {message}")
        self.message = message
        self.field = field
        self.identity = identity


class InvalidGradeScale(AssessmentError):
    code = CJAssessmentErrorCode.INVALID_REQUEST


class ContentUnavailable(AssessmentError):
    """`permanent`: fetching the text again does not help."""

    code = CJAssessmentErrorCode.CONTENT_UNAVAILABLE

    def __init__(self, message: str, *, permanent: bool = True) -> None:
        super().__init__(message)
        self.permanent = permanent


class StoreUnavailable(AssessmentError):
    pass


class DatabaseInUse(AssessmentError):
    pass


class AssessmentNotFound(AssessmentError):
    pass


class IdempotencyMismatch(AssessmentError):
    pass


class UnknownAssignment(AssessmentError):
    code = CJAssessmentErrorCode.UNKNOWN_ASSIGNMENT


class AssignmentInUse(AssessmentError):
    pass
