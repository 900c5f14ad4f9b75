"""How a comparison ends, as it is told: the one result event for the outbox, and the status event. Pure."""

from contracts.clock import utcnow
from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.events import LLMQueueStatusV1
from contracts.settings import KafkaSettings
from events.envelope import seal_result
from events.headers import Headers, headers_of
from events.result import Judgement, code_on_kafka, result_of
from ledger.claims import Ending, Who
from ledger.request import StoredRequest


def ending_of(
    stored: StoredRequest,
    judgement: Judgement,
    state: QueueStatus,
    who: Who,
    *,
    prompt_sha256: str,
    settings: KafkaSettings,
) -> tuple[Ending, Headers]:
    result = result_of(stored, judgement, prompt_sha256)
    event = seal_result(result, settings, traceparent=stored.traceparent)
    queue_id = str(stored.queue_id)
    ending = Ending(
        queue_id=queue_id,
        state=state,
        who=who,
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
