"""Builds the completion record with the result event, the status event, and the log line of a failed comparison. Pure
functions.
"""

from contracts.clock import utcnow
from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.events import LLMQueueStatusV1
from contracts.settings import KafkaSettings
from events.envelope import seal_result
from events.headers import Headers, headers_of
from events.result import Judgement, code_on_kafka, result_of
from ledger.completion import CompletedBy, Completion
from ledger.request import StoredRequest
from telemetry.observer import Note


def ending_of(
    stored: StoredRequest,
    judgement: Judgement,
    state: QueueStatus,
    by: CompletedBy,
    *,
    prompt_sha256: str,
    settings: KafkaSettings,
) -> tuple[Completion, Headers]:
    result = result_of(stored, judgement, prompt_sha256)
    event = seal_result(result, settings, traceparent=stored.traceparent)
    queue_id = str(stored.queue_id)
    ending = Completion(
        queue_id=queue_id,
        state=state,
        by=by,
        topic=stored.request.callback_topic,
        key=event.correlation_id,
        event=event.value,
        cost=judgement.spent.cost,
    )
    return ending, headers_of(event, queue_id)


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


def failure_of(stored: StoredRequest, judgement: Judgement, state: QueueStatus) -> Note | None:
    """The note on a comparison that failed or expired; None for any other end.

    `waited`: seconds from acceptance to end. `ms`: total time of its calls, over all claims. It contains no text of
    the provider or the caller.
    """
    error = judgement.error
    if error is None or state not in {QueueStatus.FAILED, QueueStatus.EXPIRED}:
        return None
    spent = judgement.spent
    fields = {
        "queue_id": str(stored.queue_id),
        "correlation_id": str(stored.correlation_id),
        "model": stored.model,
        "attempts": spent.attempts,
        "waited": round(max(0.0, (utcnow() - stored.requested_at).total_seconds()), 3),
        "ms": spent.call_ms,
        "cost": spent.cost,
        "cost_known": spent.cost_known,
    }
    labels = {"provider": stored.provider.value, "status": state.value, "error_code": error.code.value}
    return Note("comparison.failed", "info", labels, fields=fields)
