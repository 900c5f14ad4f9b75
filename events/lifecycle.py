"""Lifecycle events: best effort, without an outbox. An event is dropped and counted rather than delay a result."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID, uuid4

from contracts import topics
from contracts.base import Outgoing
from contracts.clock import iso_now
from contracts.events import (
    LLMCostAlertV1,
    LLMCostTrackingV1,
    LLMProviderFailureV1,
    LLMProviderStatusV1,
    LLMQueueFullV1,
    LLMQueueStatusV1,
    LLMRequestCompletedV1,
    LLMRequestStartedV1,
)
from contracts.settings import KafkaSettings
from contracts.settings.infra import LifecycleKind
from contracts.trace import continue_trace
from events.delivery_error import DeliveryError
from events.envelope import seal
from events.headers import headers_of
from events.producer import Publisher
from telemetry.fault import fault
from telemetry.observer import Note, Observer, silent

#: By event: its name in UMPIRE_LIFECYCLE_EVENTS, and its topic.
_TOPICS: dict[type[Outgoing], tuple[LifecycleKind, str]] = {
    LLMQueueStatusV1: ("queue_status", topics.QUEUE_STATUS),
    LLMRequestStartedV1: ("request_started", topics.REQUEST_STARTED),
    LLMRequestCompletedV1: ("request_completed", topics.REQUEST_COMPLETED),
    LLMProviderFailureV1: ("failure", topics.FAILURE),
    LLMProviderStatusV1: ("provider_status", topics.PROVIDER_STATUS),
    LLMQueueFullV1: ("queue_full", topics.QUEUE_FULL),
    LLMCostTrackingV1: ("cost_tracking", topics.COST_TRACKING),
    LLMCostAlertV1: ("cost_alert", topics.COST_ALERT),
}

#: Events are encoded and handed to the producer together, this many seconds after the first. A separate hand-over each
#: would wake librdkafka's thread, which costs three times as much as the event (34 against 9 µs, measured on the
#: caller's thread); encoding many in a row uses the processor's caches better; and no comparison waits for them.
GATHER_SECONDS = 0.02

LifecycleEvent = (
    LLMQueueStatusV1
    | LLMRequestStartedV1
    | LLMRequestCompletedV1
    | LLMProviderFailureV1
    | LLMProviderStatusV1
    | LLMQueueFullV1
    | LLMCostTrackingV1
    | LLMCostAlertV1
)

#: This many are handed over without waiting: their encoding would occupy the event loop for more than a millisecond.
MOST_GATHERED = 64

#: Events that belong to no request: each gets a correlation id of its own.
_OF_NO_REQUEST = (LLMProviderStatusV1, LLMQueueFullV1, LLMCostAlertV1)

Dropped = Callable[[], None]


class Traced(Protocol):
    """A request (ledger/request.py::StoredRequest), of which an event's headers carry the id and the trace."""

    @property
    def queue_id(self) -> UUID: ...
    @property
    def traceparent(self) -> str | None: ...


class _Gathered(NamedTuple):
    """An event that waits to be encoded."""

    topic: str
    event: LifecycleEvent
    correlation_id: UUID
    event_id: UUID | None
    traceparent: str | None
    time: str
    subject: str | None
    dropped: Dropped


class Lifecycle:
    def __init__(self, publisher: Publisher, settings: KafkaSettings, observer: Observer = silent) -> None:
        """`publisher`: Publisher.best_effort, so that these events never delay results."""
        self._publisher = publisher
        self._wanted = {kind: topic for kind, (name, topic) in _TOPICS.items() if name in settings.lifecycle_events}
        self._prefix = settings.topic_prefix
        self._observer = observer
        self._gathered: list[_Gathered] = []

    def send(
        self,
        event: LifecycleEvent,
        of: Traced | None = None,
        *,
        event_id: UUID | None = None,
        dropped: Dropped = lambda: None,
    ) -> None:
        """Send soon, or drop if the broker is unavailable or the queue more than half full. Never blocks or raises.

        `of`: the event's request, if it belongs to one. `dropped` is called if the event is dropped, possibly from a
        thread of the producer.
        """
        topic = self._wanted.get(type(event))
        if topic is None:
            return
        if not self._publisher.has_capacity():
            self._drop(topic, "no_room", dropped)
            return
        correlation_id = uuid4() if isinstance(event, _OF_NO_REQUEST) else event.correlation_id
        traceparent = (of and of.traceparent) or continue_trace(None)
        subject = str(of.queue_id) if of else None
        gathered = _Gathered(topic, event, correlation_id, event_id, traceparent, iso_now(), subject, dropped)
        self._gathered.append(gathered)
        if len(self._gathered) == MOST_GATHERED:
            self.flush()
        elif len(self._gathered) == 1:
            try:
                asyncio.get_running_loop().call_later(GATHER_SECONDS, self.flush)
            except RuntimeError:  # no running loop that could flush later
                self.flush()

    def flush(self) -> None:
        """Hand the collected events to the producer. Never raises."""
        gathered, self._gathered = self._gathered, []
        for one in gathered:
            try:
                sealed = seal(
                    one.event,
                    self._prefix + one.topic,
                    one.correlation_id,
                    event_id=one.event_id,
                    traceparent=one.traceparent,
                    time=one.time,
                )
                headers = headers_of(sealed, one.subject)
                on_delivery = partial(self._report, one.topic, one.dropped)
                self._publisher.publish(sealed.event_type, sealed.correlation_id, sealed.value, headers, on_delivery)
            except (ValueError, TypeError) as error:  # raised by encoders: the other events must still be sent
                self._observer(Note("error.unexpected", "error", labels={"where": "lifecycle"}, fields=fault(error)))
                self._drop(one.topic, "unwritable", one.dropped)

    def _report(self, topic: str, dropped: Dropped, error: DeliveryError | None) -> None:
        if error is not None:
            self._drop(topic, error.code, dropped)

    def _drop(self, topic: str, reason: str, dropped: Dropped) -> None:
        self._observer(Note("lifecycle.dropped", labels={"event": topic, "reason": reason}))
        dropped()
