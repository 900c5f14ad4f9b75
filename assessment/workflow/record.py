"""What a callback, a submission and the caller change. Pure: a row goes in, the row to store comes out.

The caller sees to it that each answer is recorded once: a unique constraint on (comparison, submission) of answers
finds redeliveries. Answers may come in any order, also before the comparison service's 202 and after a comparison was
given up.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from assessment.workflow.state import AssessmentRow, ComparisonRow, ComparisonStatus, WorkflowOptions
from contracts.enums import CJBatchStateEnum, LLMErrorCode

#: Submissions for each attempt that options.max_attempts allows: bounds expiries and refusals, which are no attempts.
SUBMISSIONS_PER_ATTEMPT = 2
#: Nothing that a callback or an acceptance starts is due before straggler_seconds and this time have passed.
LOOK_AGAIN_SECONDS = 600.0
#: Error code of a comparison whose callback never came.
CALLBACK_LOST = LLMErrorCode.REQUEST_EXPIRED

#: The request never reached a judge, or the account is at fault.
_NO_ATTEMPT = frozenset(
    {
        LLMErrorCode.REQUEST_EXPIRED,
        LLMErrorCode.REQUEST_CANCELLED,
        LLMErrorCode.CONFIGURATION_ERROR,
        LLMErrorCode.COST_LIMIT_EXCEEDED,
        LLMErrorCode.AUTHENTICATION_FAILED,
        LLMErrorCode.QUOTA_EXCEEDED,
        LLMErrorCode.QUEUE_FULL,
    }
)
#: The same prompt fails each time.
_PERMANENT = frozenset({LLMErrorCode.CONTENT_TOO_LONG, LLMErrorCode.INVALID_PROMPT})
_UNFINISHED = frozenset({ComparisonStatus.ASSIGNED, ComparisonStatus.SUBMITTED})


class FailureKind(StrEnum):
    """What a failure costs a comparison."""

    #: One of options.max_attempts.
    ATTEMPT = "attempt"
    #: Nothing: expiry, hold, cancellation, refusal.
    NO_ATTEMPT = "no_attempt"
    #: It is not submitted again.
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """A callback with a verdict."""

    first_won: bool
    #: 1–5.
    confidence: float | None = None
    cost_usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class FailedAnswer:
    """A callback with an error."""

    kind: FailureKind
    error_code: str
    cost_usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def failure_kind(code: str, reason: str | None = None, *, refused: bool = False) -> FailureKind:
    """What an error costs.

    Parameters
    ----------
    code : str
        error_code of the callback or problem.
    reason : str, optional
        `details.reason` of a callback: the precise code behind one of the fifteen that go to Kafka.
    refused : bool
        The comparison service did not accept the comparison.
    """
    if (reason or code) in _PERMANENT:
        return FailureKind.PERMANENT
    if refused or code in _NO_ATTEMPT or reason in _NO_ATTEMPT:
        return FailureKind.NO_ATTEMPT
    return FailureKind.ATTEMPT


def assigned(comparison: ComparisonRow, chunk: int) -> ComparisonRow:
    """The comparison becomes part of a submission; unchanged if it no longer waits for one."""
    if comparison.status not in {ComparisonStatus.PLANNED, ComparisonStatus.POOLED}:
        return comparison
    return replace(
        comparison,
        status=ComparisonStatus.ASSIGNED,
        chunk=chunk,
        submissions=comparison.submissions + 1,
        submitted_clock=None,
        expires_clock=None,
        asked_clock=None,
    )


def accepted(comparison: ComparisonRow, submission: int, clock: float, ttl_seconds: float) -> ComparisonRow:
    """The comparison service has accepted a submission, or may have: it expires after ttl_seconds."""
    if comparison.status is not ComparisonStatus.ASSIGNED or comparison.submissions != submission:
        return comparison
    return replace(
        comparison,
        status=ComparisonStatus.SUBMITTED,
        submitted_clock=clock,
        expires_clock=clock + ttl_seconds,
    )


def judged(comparison: ComparisonRow, answer: JudgedAnswer) -> ComparisonRow:
    """With a verdict of any submission. The first one counts; each later one is costed and billed."""
    counts = comparison.status is not ComparisonStatus.SUCCEEDED
    return replace(
        comparison,
        status=ComparisonStatus.SUCCEEDED,
        first_won=answer.first_won if counts else comparison.first_won,
        confidence=answer.confidence if counts else comparison.confidence,
        verdicts=comparison.verdicts + 1,
        cost_usd=comparison.cost_usd + answer.cost_usd,
        prompt_tokens=comparison.prompt_tokens + answer.prompt_tokens,
        completion_tokens=comparison.completion_tokens + answer.completion_tokens,
    )


def failed(comparison: ComparisonRow, submission: int, answer: FailedAnswer, options: WorkflowOptions) -> ComparisonRow:
    """With a failure of a submission: pooled, or failed for good. One of an older submission is costed only."""
    costed = replace(
        comparison,
        cost_usd=comparison.cost_usd + answer.cost_usd,
        prompt_tokens=comparison.prompt_tokens + answer.prompt_tokens,
        completion_tokens=comparison.completion_tokens + answer.completion_tokens,
    )
    if comparison.status not in _UNFINISHED or comparison.submissions != submission:
        return costed
    attempts = comparison.attempts + (answer.kind is FailureKind.ATTEMPT)
    over = (
        answer.kind is FailureKind.PERMANENT
        or attempts >= options.max_attempts
        or comparison.submissions >= options.max_attempts * SUBMISSIONS_PER_ATTEMPT
    )
    return replace(
        costed,
        status=ComparisonStatus.FAILED if over else ComparisonStatus.POOLED,
        attempts=attempts,
        error_code=answer.error_code,
    )


def refused(comparison: ComparisonRow, submission: int, code: str, options: WorkflowOptions) -> ComparisonRow:
    """The comparison service does not accept a submission; unchanged if another process saw it accepted."""
    if comparison.status is not ComparisonStatus.ASSIGNED:
        return comparison
    return failed(comparison, submission, FailedAnswer(failure_kind(code, refused=True), code), options)


def given_up(comparison: ComparisonRow, options: WorkflowOptions) -> ComparisonRow:
    """No callback came until time to live and grace were over."""
    if comparison.status is not ComparisonStatus.SUBMITTED:
        return comparison
    answer = FailedAnswer(FailureKind.NO_ATTEMPT, CALLBACK_LOST)
    return failed(comparison, comparison.submissions, answer, options)


def arrived(assessment: AssessmentRow, now: float) -> AssessmentRow:
    """Callbacks or acceptances were recorded: from now on other times count, so a decision has to look at them."""
    clock = assessment.clock(now)
    look = now + min(assessment.options.straggler_seconds, LOOK_AGAIN_SECONDS)
    return replace(
        assessment,
        progress_clock=clock,
        arrival_clock=clock,
        wake_at=look if assessment.wake_at is None else min(assessment.wake_at, look),
        revision=assessment.revision + 1,
    )


def paused(assessment: AssessmentRow, now: float, waiting_for: str) -> AssessmentRow:
    """A hold or an outage began. A second one beside it changes the words only."""
    begin = now if assessment.paused_at is None else assessment.paused_at
    revision = assessment.revision + 1
    return replace(assessment, paused_at=begin, waiting_for=waiting_for, wake_at=now, revision=revision)


def resumed(assessment: AssessmentRow, now: float) -> AssessmentRow:
    """The last hold or outage ended."""
    if assessment.paused_at is None:
        return assessment
    lasted = max(now - assessment.paused_at, 0.0)
    return replace(
        assessment,
        paused_at=None,
        waiting_for=None,
        wake_at=now,
        paused_seconds=assessment.paused_seconds + lasted,
        revision=assessment.revision + 1,
    )


def extended(assessment: AssessmentRow, options: WorkflowOptions, now: float) -> AssessmentRow:
    """A completed assessment goes on with a new target or budget; unchanged if it is not completed."""
    if assessment.state is not CJBatchStateEnum.COMPLETED:
        return assessment
    return replace(
        assessment,
        options=options,
        state=CJBatchStateEnum.GENERATING_PAIRS,
        version=assessment.version + 1,
        extended_chunk=assessment.chunks,
        revision=assessment.revision + 1,
        stop_reason=None,
        completed_at=None,
        progress_clock=assessment.clock(now),
        arrival_clock=assessment.clock(now),
    )
