"""What a decision orders. The store carries out all commands of a decision in the transaction that read the state."""

from dataclasses import dataclass

from assessment.workflow.outcome.numbers import AssessmentOutcome
from assessment.workflow.state import ComparisonRow, RoundRow, WorkflowStopReason
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum


@dataclass(frozen=True, slots=True)
class PlanRound:
    """Insert a round and its comparisons, all with status PLANNED."""

    round: RoundRow
    comparisons: tuple[ComparisonRow, ...]


@dataclass(frozen=True, slots=True)
class Submit:
    """Send comparisons in one request, with one Idempotency-Key, which is made of assessment and chunk.

    Now: status ASSIGNED, `submissions` + 1, `chunk`; and the assessment's `chunks` + 1. Only those that are PLANNED or
    POOLED still. After the comparison service has accepted them: SUBMITTED (assessment.workflow.record).
    """

    chunk: int
    numbers: tuple[int, ...]
    #: From the failed pool: cj_request_type "cj_retry", and a higher priority.
    retry: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing came until time to live and grace were over: as an expiry callback (assessment.workflow.record)."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskRedelivery:
    """Ask the comparison service to publish results again, and set `asked_clock` of these comparisons."""

    numbers: tuple[int, ...]
    clock: float


@dataclass(frozen=True, slots=True)
class Score:
    """Write rounds that have been scored, and the newest fit into the assessment's `strengths` and `graded`."""

    rounds: tuple[RoundRow, ...]
    strengths: tuple[float, ...]
    graded: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """The stop rule has decided: write the assessment's `stop_reason`. Nothing new is submitted from here on."""

    reason: WorkflowStopReason


@dataclass(frozen=True, slots=True)
class Complete:
    """End as COMPLETED: the result and resource events of this version; the completed event for version 1 only."""

    reason: WorkflowStopReason
    version: int
    outcome: AssessmentOutcome
    #: Verdicts that were not billed before; add them to the assessment's `billed`.
    quantity: int


@dataclass(frozen=True, slots=True)
class Fail:
    """End as FAILED or CANCELLED: the failed event, the completed event with all essays failed, the resource event."""

    state: CJBatchStateEnum
    error_code: CJAssessmentErrorCode
    message: str
    #: As of Complete.
    quantity: int


Command = PlanRound | Submit | GiveUp | AskRedelivery | Score | Stop | Complete | Fail


@dataclass(frozen=True, slots=True)
class WorkflowDecision:
    """Of one call of decide.

    Attributes
    ----------
    commands : tuple of Command
        In order. Empty: nothing to do now.
    path : tuple of CJBatchStateEnum
        States that the assessment goes through, the last one is to be stored; empty: it stays in its state.
    wake_at : float or None
        Wall time at which decide has something to do even if no callback comes; None: never.
    """

    commands: tuple[Command, ...] = ()
    path: tuple[CJBatchStateEnum, ...] = ()
    wake_at: float | None = None
