"""What is stored of one assessment and read by its decisions. Each class is one table, each field one column.

Times that decisions compare are read from the assessment's **clock**: seconds since 1970 without the time in holds and
outages (`AssessmentRow.clock`). It stands still while the assessment is paused. A field in clock time ends in `_clock`;
a field in wall time ends in `_at`.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum, LLMBatchingMode

#: States from which nothing is submitted and nothing is scored.
ENDED = frozenset({CJBatchStateEnum.COMPLETED, CJBatchStateEnum.FAILED, CJBatchStateEnum.CANCELLED})


class TextStatus(StrEnum):
    """Whether the text of an essay is at hand."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class ComparisonStatus(StrEnum):
    """Where a comparison is.

    PLANNED → ASSIGNED → SUBMITTED → SUCCEEDED, or → POOLED → ASSIGNED … or → FAILED. A late verdict makes any of them
    SUCCEEDED.
    """

    #: Not part of a submission yet.
    PLANNED = "planned"
    #: Part of a chunk that the comparison service has not accepted yet (perhaps it has, and the answer is on its way).
    ASSIGNED = "assigned"
    #: Accepted by the comparison service; its callback is to come.
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    #: In the failed pool: it will be submitted again, with the same pair, orientation and judge.
    POOLED = "pooled"
    #: Failed for good.
    FAILED = "failed"


#: Sent, or about to be: each may cost money and may still be answered.
IN_FLIGHT = frozenset({ComparisonStatus.ASSIGNED, ComparisonStatus.SUBMITTED})


class WorkflowStopReason(StrEnum):
    """Why an assessment was completed. The first three are those of assessment.model.stop."""

    TARGET = "target"
    #: Of comparisons, or of money.
    BUDGET = "budget"
    PAIRS_EXHAUSTED = "pairs_exhausted"
    #: All comparisons of a round failed for good.
    FAILURES = "failures"
    #: The monitor found it without progress.
    STUCK = "stuck"
    #: A single student essay without enough anchors: nothing to compare.
    SINGLE_ESSAY = "single_essay"


@dataclass(frozen=True, slots=True)
class WorkflowOptions:
    """Resolved settings: defaults, environment, assignment and request, in this order. Columns of the assessment."""

    batch_size: int = 50
    max_concurrent_batches: int = 3
    partial_completion_threshold: float = 0.85
    max_comparisons_per_essay: float = 24
    #: Of the whole assessment; None: only the bound per essay.
    max_comparisons: int | None = None
    target_reliability: float = 0.90
    min_comparisons_per_essay: int = 8
    max_cost_usd: float | None = None
    allow_repeats: bool = False
    failed_pool_threshold: int = 20
    max_attempts: int = 3
    straggler_seconds: float = 120
    #: Used instead of straggler_seconds with batching_mode provider_batch_api.
    provider_batch_seconds: float = 86400
    stuck_seconds: float = 14400
    iterative: bool = True
    batching_mode: LLMBatchingMode = LLMBatchingMode.PER_REQUEST
    #: Of pairs, orientations and judges; drawn at random when the request names none.
    seed: int = 0
    #: Grades, lowest first; empty: no grades are predicted.
    grade_scale: tuple[str, ...] = ()
    #: Known share of essays of each grade; empty: unknown.
    grade_distribution: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class AssessmentRow:
    """The assessment itself; the row that is locked."""

    id: UUID
    #: The caller's id.
    batch_id: str
    options: WorkflowOptions
    created_at: float
    state: CJBatchStateEnum = CJBatchStateEnum.INITIALIZING
    #: Of the row: each transaction that changes anything of the assessment adds 1.
    revision: int = 0
    #: Of the result: 1, and one more for each `extend`.
    version: int = 1
    cancel_requested: bool = False
    #: Set when the stop rule has decided. What is in flight is still waited for, up to straggler_seconds.
    stop_reason: WorkflowStopReason | None = None
    error_code: CJAssessmentErrorCode | None = None
    #: Submissions made so far: the number of the next chunk.
    chunks: int = 0
    #: Value of `chunks` when it was extended last: failures of earlier submissions say nothing about the judges now.
    extended_chunk: int = 0
    #: Strengths of the newest fit in logits, one for each essay (0 where it has none); empty before the first fit.
    strengths: tuple[float, ...] = ()
    #: Judges whose confidences the newest fit used.
    graded: tuple[int, ...] = ()
    #: When the state last changed, or a callback was counted.
    progress_clock: float = 0.0
    #: When the last callback was counted or the last chunk accepted.
    arrival_clock: float = 0.0
    #: Seconds in holds and outages that have ended.
    paused_seconds: float = 0.0
    #: Start of the hold or outage that lasts; None when there is none.
    paused_at: float | None = None
    #: When to decide again even if no callback comes, in wall time; None: never.
    wake_at: float | None = None
    #: Why it is paused, in words for people.
    waiting_for: str | None = None
    completed_at: float | None = None
    #: Verdicts that resource events of earlier versions have billed.
    billed: int = 0

    def clock(self, now: float) -> float:
        """Clock time at the wall time `now`."""
        return (now if self.paused_at is None else min(now, self.paused_at)) - self.paused_seconds

    def wall(self, clock: float) -> float:
        """Wall time of a clock time from now on, if no hold or outage comes between."""
        return clock + self.paused_seconds


@dataclass(frozen=True, slots=True)
class JudgeRow:
    index: int
    provider: str | None
    model: str | None
    temperature: float | None = None
    reasoning_effort: str | None = None
    #: Relative number of comparisons.
    share: float = 1.0
    #: Estimated cost of one comparison; None: price unknown.
    estimated_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class EssayRow:
    #: 0 … n − 1, students and anchors together; comparisons name essays by it.
    index: int
    essay_id: str
    text_status: TextStatus = TextStatus.PENDING
    #: Of an anchor; None for a student's essay.
    known_grade: str | None = None
    #: Words of its text; None: unknown.
    words: int | None = None
    #: Why its text could not be used.
    error: str | None = None

    @property
    def is_anchor(self) -> bool:
        return self.known_grade is not None


@dataclass(frozen=True, slots=True)
class RoundRow:
    #: 0, 1, …
    number: int
    #: Its comparisons.
    planned: int
    scored_at: float | None = None
    #: Scored before all of its comparisons had ended.
    partial: bool = False
    #: Claimed after it was scored, 0–1; None: not scored, or there was nothing to fit.
    reliability: float | None = None
    #: Largest change of a strength since the score before, in logits; None: no score before.
    score_change: float | None = None


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    #: In order of planning, from 0, without gaps.
    number: int
    round: int
    #: Index of the essay that is shown first (Essay A), and of the other.
    first: int
    second: int
    judge: int
    status: ComparisonStatus = ComparisonStatus.PLANNED
    #: Submissions so far; the newest has this number.
    submissions: int = 0
    #: Failures so far that count: not expiry, hold, cancellation or refusal.
    attempts: int = 0
    #: Submission (request of up to batch_size comparisons) that it was part of last.
    chunk: int | None = None
    submitted_clock: float | None = None
    #: When the comparison service gives it up: submitted_clock and its time to live.
    expires_clock: float | None = None
    #: When its redelivery was last asked for.
    asked_clock: float | None = None
    #: Whether Essay A won; None: no verdict.
    first_won: bool | None = None
    confidence: float | None = None
    #: Verdicts received, of all submissions; the first one counts.
    verdicts: int = 0
    #: Of all submissions.
    cost_usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: Of the newest failure.
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """All of one assessment, as one transaction reads it. Each tuple is ordered by index or number."""

    assessment: AssessmentRow
    judges: tuple[JudgeRow, ...]
    essays: tuple[EssayRow, ...]
    rounds: tuple[RoundRow, ...] = ()
    comparisons: tuple[ComparisonRow, ...] = ()


def comparison_id(assessment: UUID, number: int) -> UUID:
    return uuid5(assessment, f"comparison {number}")


def correlation_id(assessment: UUID, number: int, submission: int) -> UUID:
    """Of one submission of a comparison: callbacks name it."""
    return uuid5(comparison_id(assessment, number), str(submission))
