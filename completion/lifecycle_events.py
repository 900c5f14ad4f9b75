"""Builds the lifecycle events of a request's state and of its end. Pure functions."""

from completion.judgement import Judgement
from completion.result_event import code_on_kafka
from contracts.clock import utcnow
from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.events import LLMQueueStatusV1, LLMRequestCompletedV1, TokenUsage
from ledger.request import StoredRequest


def status_of(
    stored: StoredRequest,
    status: QueueStatus,
    event: QueueEvent,
    attempt: int,
    error: UmpireError | None = None,
) -> LLMQueueStatusV1:
    return LLMQueueStatusV1(
        queue_id=str(stored.queue_id),
        correlation_id=stored.correlation_id,
        status=status,
        event=event,
        provider=stored.provider,
        model=stored.model,
        attempt=attempt,
        occurred_at=utcnow(),
        error_code=code_on_kafka(error) if error else None,
    )


def request_completed(stored: StoredRequest, judgement: Judgement) -> LLMRequestCompletedV1:
    error, spent = judgement.error, judgement.spent
    return LLMRequestCompletedV1(
        provider=stored.provider,
        correlation_id=stored.correlation_id,
        user_id=stored.request.user_id,
        success=error is None,
        response_time_ms=round(judgement.seconds * 1000),
        error_message=error.message if error else None,
        token_usage=token_counts(spent.usage),
        cost_estimate=spent.cost if spent.cost_known else None,
        metadata=stored.request.metadata,
    )


def token_counts(usage: TokenUsage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
