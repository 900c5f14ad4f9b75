"""What the door stores and a worker reads: the request, and what was decided at admission."""

from uuid import UUID

from contracts.base import Outgoing, UtcTime
from contracts.enums import LLMProviderType
from contracts.http import LLMComparisonRequest


class StoredRequest(Outgoing):
    queue_id: UUID
    correlation_id: UUID
    request: LLMComparisonRequest
    provider: LLMProviderType
    model: str
    requested_at: UtcTime
    expires_at: UtcTime
    traceparent: str | None = None
