"""Lifecycle events: best effort, without an outbox. An event is dropped and counted rather than delay a result."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid4

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
from contracts.topics import (
    COST_ALERT,
    COST_TRACKING,
    FAILURE,
    PROVIDER_STATUS,
    QUEUE_FULL,
    QUEUE_STATUS,
    REQUEST_COMPLETED,
    REQUEST_STARTED,
)
from contracts.trace import continue_trace
from events.delivery_error import DeliveryError
from events.envelope import seal
from events.headers import headers_of
from events.producer import Publisher
from telemetry.fault import fault
from telemetry.observer import Note, Observer, silent

#: Each event has one topic.
_TOPICS: dict[type[Outgoing], str] = {
    LLMQueueStatusV1: QUEUE_STATUS,
    LLMRequestStartedV1: REQUEST_STARTED,
    LLMRequestCompletedV1: REQUEST_COMPLETED,
    LLMProviderFailureV1: FAILURE,
    LLMProviderStatusV1: PROVIDER_STATUS,
    LLMQueueFullV1: QUEUE_FULL,
    LLMCostTrackingV1: COST_TRACKING,
    LLMCostAlertV1: COST_ALERT,
}

#: Topics by the names used in UMPIRE_LIFECYCLE_EVENTS.
_WIRE_NAMES: dict[LifecycleKind, str] = {
    "queue_status": QUEUE_STATUS,
    "request_started": REQUEST_STARTED,
    "request_completed": REQUEST_COMPLETED,
    "failure": FAILURE,
    "provider_status": PROVIDER_STATUS,
    "queue_full": QUEUE_FULL,
    "cost_tracking": COST_TRACKING,
    "cost_alert": COST_ALERT,
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

#: Events that belong to no request: each gets a correlation id of its own.
_OF_NO_REQUEST = (LLMProviderStatusV1, LLMQueueFullV1, LLMCostAlertV1)

Dropped = Callable[[], None]


def _ignore() -> None:
    """The default of `dropped`."""


class _Gathered(NamedTuple):
    """An event that waits to be encoded."""

    name: str
    event: LifecycleEvent
    correlation_id: UUID
    event_id: UUID | None
    traceparent: str | None
    time: str
    subject: UUID | str | None
    dropped: Dropped


class Lifecycle:
    def __init__(self, publisher: Publisher, settings: KafkaSettings, observer: Observer = silent) -> None:
        """`publisher`: Publisher.best_effort, so that these events never delay results."""
        self._publisher = publisher
        self._wanted = {_WIRE_NAMES[name] for name in settings.lifecycle_events if name != "none"}
        self._prefix = settings.topic_prefix
        self._observer = observer
        self._gathered: list[_Gathered] = []

    def send(
        self,
        event: LifecycleEvent,
        *,
        queue_id: UUID | str | None = None,
        traceparent: str | None = None,
        event_id: UUID | None = None,
        dropped: Dropped = _ignore,
    ) -> None:
        """Send soon, or drop if the broker is unavailable or the queue more than half full. Never blocks or raises.

        `dropped` is called if the event is dropped, possibly from a thread of the producer.
        """
        name = _TOPICS[type(event)]
        if name not in self._wanted:
            return
        if not self._publisher.has_capacity():
            self._drop(name, "no_room", dropped)
            return
        correlation_id = uuid4() if isinstance(event, _OF_NO_REQUEST) else event.correlation_id
        traceparent = traceparent or continue_trace(None)
        one = _Gathered(name, event, correlation_id, event_id, traceparent, iso_now(), queue_id, dropped)
        self._gathered.append(one)
        if len(self._gathered) == 1:
            try:
                asyncio.get_running_loop().call_later(GATHER_SECONDS, self.flush)
            except RuntimeError:  # no running loop that could flush later
                self.flush()

    def flush(self) -> None:
        """Hand the collected events to the producer. Never raises."""
        gathered, self._gathered = self._gathered, []
        for one in gathered:
            try:
                self._publish(one)
            except (ValueError, TypeError) as error:  # raised by encoders: the other events must still be sent
                self._observer(Note("error.unexpected", "error", labels={"where": "lifecycle"}, fields=fault(error)))
                self._drop(one.name, "unwritable", one.dropped)

    def _publish(self, one: _Gathered) -> None:
        sealed = seal(
            one.event,
            self._prefix + one.name,
            one.correlation_id,
            event_id=one.event_id,
            traceparent=one.traceparent,
            time=one.time,
        )
        self._publisher.publish(
            sealed.event_type,
            sealed.correlation_id,
            sealed.value,
            headers_of(sealed, str(one.subject) if one.subject else None),
            partial(self._report, one.name, one.dropped),
        )

    def _report(self, name: str, dropped: Dropped, error: DeliveryError | None) -> None:
        if error is not None:
            self._drop(name, error.code, dropped)

    def _drop(self, name: str, reason: str, dropped: Dropped) -> None:
        self._observer(Note("lifecycle.dropped", labels={"event": name, "reason": reason}))
        dropped()
