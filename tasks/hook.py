"""The result hook: builds the result event of an ended comparison, hands it to Kafka, and publishes status events."""

from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import UmpireError
from contracts.settings import KafkaSettings
from contracts.trace import trace_id
from events.ending import ending_of, status_of
from events.headers import Headers
from events.lifecycle import Lifecycle
from events.relay import Relay
from events.result import Judgement
from ledger.completion import CompletedBy, Completion
from ledger.request import StoredRequest
from providers.prompt import prompt_sha256
from telemetry.logging import Bound

_EVENTS = {
    QueueStatus.COMPLETED: QueueEvent.COMPLETED,
    QueueStatus.FAILED: QueueEvent.FAILED,
}


class ResultHook:
    def __init__(self, relay: Relay, lifecycle: Lifecycle, settings: KafkaSettings) -> None:
        self._relay = relay
        self._lifecycle = lifecycle
        self._settings = settings

    def bound(self, stored: StoredRequest) -> Bound:
        """A context whose log lines carry the ids of the request."""
        return Bound(
            queue_id=str(stored.queue_id),
            correlation_id=str(stored.correlation_id),
            trace_id=trace_id(stored.traceparent),
        )

    def ending(
        self, stored: StoredRequest, judgement: Judgement, state: QueueStatus, by: CompletedBy
    ) -> tuple[Completion, Headers]:
        return ending_of(
            stored, judgement, state, by, prompt_sha256=prompt_sha256(stored.request), settings=self._settings
        )

    def publish(self, entry_id: bytes, ending: Completion, headers: Headers) -> None:
        """Hand the event to Kafka; its delivery report removes it from the outbox."""
        self._relay.send(entry_id, ending.topic, ending.key, ending.event, headers, forbidden=ending.forbidden)

    def ended(self, stored: StoredRequest, judgement: Judgement, state: QueueStatus, tries: int) -> None:
        self.status(stored, state, _EVENTS[state], tries, judgement.error)

    def status(
        self,
        stored: StoredRequest,
        status: QueueStatus,
        event: QueueEvent,
        attempt: int,
        error: UmpireError | None = None,
    ) -> None:
        told = status_of(stored, status, event, attempt, error)
        self._lifecycle.tell(told, queue_id=stored.queue_id, traceparent=stored.traceparent)
