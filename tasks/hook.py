"""The result hook: the one event of an ended comparison, to the outbox and on to Kafka; and its status events."""

from contextlib import AbstractContextManager

from contracts.clock import utcnow
from contracts.enums import ON_KAFKA, LLMErrorCode, QueueEvent, QueueStatus
from contracts.events import LLMQueueStatusV1
from contracts.settings import KafkaSettings
from contracts.trace import trace_id
from events.envelope import encode, result_envelope
from events.headers import Headers, headers_of
from events.lifecycle import Lifecycle
from events.relay import Relay
from ledger.claims import Ending, Who
from ledger.request import StoredRequest
from providers.prompt import prompt_sha256
from tasks.result import Judgement, result_of
from telemetry.logging import bound

_EVENTS = {
    QueueStatus.COMPLETED: QueueEvent.COMPLETED,
    QueueStatus.FAILED: QueueEvent.FAILED,
    QueueStatus.EXPIRED: QueueEvent.EXPIRED,
}


class ResultHook:
    def __init__(self, relay: Relay, lifecycle: Lifecycle, settings: KafkaSettings) -> None:
        self._relay = relay
        self._lifecycle = lifecycle
        self._settings = settings

    def bound(self, stored: StoredRequest) -> AbstractContextManager[None]:
        """Log lines written inside name the request."""
        return bound(
            queue_id=str(stored.queue_id),
            correlation_id=str(stored.correlation_id),
            trace_id=trace_id(stored.traceparent),
        )

    def ending(
        self, stored: StoredRequest, judgement: Judgement, state: QueueStatus, who: Who
    ) -> tuple[Ending, Headers]:
        result = result_of(stored, judgement, prompt_sha256(stored.request))
        event = result_envelope(result, self._settings, traceparent=stored.traceparent)
        queue_id = str(stored.queue_id)
        ending = Ending(
            queue_id=queue_id,
            state=state,
            who=who,
            topic=stored.request.callback_topic,
            key=str(stored.correlation_id),
            event=encode(event),
            cost=judgement.spent.cost,
        )
        return ending, headers_of(event, queue_id)

    def publish(self, entry_id: bytes, ending: Ending, headers: Headers) -> None:
        """To Kafka; the delivery report clears the outbox."""
        self._relay.send(entry_id, ending.topic, ending.key, ending.event, headers)

    def ended(self, stored: StoredRequest, judgement: Judgement, state: QueueStatus, tries: int) -> None:
        code = judgement.error.code if judgement.error else None
        self.status(stored, state, _EVENTS[state], tries, code)

    def status(
        self,
        stored: StoredRequest,
        status: QueueStatus,
        event: QueueEvent,
        attempt: int,
        error_code: LLMErrorCode | None = None,
    ) -> None:
        self._lifecycle.tell(
            LLMQueueStatusV1(
                queue_id=str(stored.queue_id),
                correlation_id=stored.correlation_id,
                status=status,
                event=event,
                provider=stored.provider,
                model=stored.model,
                attempt=attempt,
                occurred_at=utcnow(),
                error_code=ON_KAFKA.get(error_code, error_code) if error_code else None,
            ),
            queue_id=stored.queue_id,
            traceparent=stored.traceparent,
        )
