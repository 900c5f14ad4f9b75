"""What the store keeps beside the rows of assessment.workflow.state."""

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from assessment.workflow.state import ComparisonRow, WorkflowState

RequestSource = Literal["kafka", "http"]
RequestKeyKind = Literal["event_id", "idempotency_key"]


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event to publish. Its bytes are built once."""

    event_id: UUID
    topic: str
    key: str
    headers: dict[str, str]
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """By which a repeated request is recognised. `digest`: of its body, if one key may come with two."""

    kind: RequestKeyKind
    key: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class EssaySource:
    """Where the text of an essay is: in the request, or in the content store."""

    text: str | None = field(default=None, repr=False)
    text_storage_id: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class StoredAssessmentRequest:
    """The whole request as it came. It is stored once and never rewritten."""

    original: dict[str, Any] = field(repr=False)
    source: RequestSource
    correlation_id: UUID
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class NewAssessment:
    """
    Attributes
    ----------
    state : WorkflowState
        With judges and essays, without rounds.
    sources : tuple of EssaySource
        One for each essay, in their order.
    open_key : str, optional
        Another request with the same one, while the assessment is unfinished, finds this assessment.
    owner : str, optional
        Id of the caller's API key; None: it came by Kafka.
    """

    state: WorkflowState
    sources: tuple[EssaySource, ...]
    request: StoredAssessmentRequest
    keys: tuple[RequestKey, ...] = ()
    open_key: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Creation:
    assessment: UUID
    #: False: the request came before.
    created: bool


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A submission that begins with the state that is saved: its comparisons have this `chunk`."""

    chunk: int
    retry: bool = False


@dataclass(frozen=True, slots=True)
class ChunkItem:
    comparison: ComparisonRow
    submission: int
    correlation_id: UUID


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A submission as it was made, whatever became of its comparisons since."""

    assessment: UUID
    chunk: int
    retry: bool
    created_at: float
    #: When it was first sent; None: never.
    sent_at: float | None
    #: In the order of their numbers. Of `comparison`, only what never changes is to be used.
    items: tuple[ChunkItem, ...]


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """A result event of the comparison service."""

    correlation_id: UUID
    #: Whether Essay A won; None: an error.
    first_won: bool | None = None
    confidence: float | None = None
    justification: str | None = field(default=None, repr=False)
    error_code: str | None = None
    #: `details.reason` of the error.
    error_reason: str | None = None
    provider: str | None = None
    model: str | None = None
    cost_usd: float = 0.0
    cost_known: bool = True
    prompt_tokens: int = 0
    completion_tokens: int = 0
    requested_at: float | None = None
    completed_at: float | None = None
