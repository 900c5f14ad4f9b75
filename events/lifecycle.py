"""Lifecycle events: best effort. Straight to the producer; dropped, and counted, rather than ever in the way."""

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import UUID, uuid4

from contracts.base import Outgoing
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
from events.delivery import DeliveryError
from events.envelope import Sealed, seal
from events.headers import headers_of
from events.producer import Publisher
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

#: By the names of UMPIRE_LIFECYCLE_EVENTS.
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

#: Events are handed over together, so many seconds after the first: each hand-over by itself wakes librdkafka's thread,
#: which costs three times as much as the event does (34 against 9 µs, measured on the caller's thread).
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

#: Each is an event of its own.
_OF_NO_REQUEST = (LLMProviderStatusV1, LLMQueueFullV1, LLMCostAlertV1)

Dropped = Callable[[], None]


def _let_go() -> None:
    """What is best effort is not missed."""


class Lifecycle:
    def __init__(self, publisher: Publisher, settings: KafkaSettings, observer: Observer = silent) -> None:
        """`publisher`: one for best effort, so that these events never stand before results."""
        self._publisher = publisher
        self._wanted = {_WIRE_NAMES[name] for name in settings.lifecycle_events if name != "none"}
        self._prefix = settings.topic_prefix
        self._observer = observer
        self._gathered: list[tuple[str, Sealed, str | None, Dropped]] = []

    def tell(
        self,
        event: LifecycleEvent,
        *,
        queue_id: UUID | str | None = None,
        traceparent: str | None = None,
        event_id: UUID | None = None,
        dropped: Dropped = _let_go,
    ) -> None:
        """Send soon, or drop when the broker is away or the queue more than half full. Never blocks or raises.

        `dropped` is told, perhaps from a thread of the producer.
        """
        name = _TOPICS[type(event)]
        if name not in self._wanted:
            return
        if not self._publisher.has_room():
            self._drop(name, "no_room", dropped)
            return
        topic = self._prefix + name
        correlation_id = uuid4() if isinstance(event, _OF_NO_REQUEST) else event.correlation_id
        sealed = seal(event, topic, correlation_id, event_id=event_id, traceparent=traceparent)
        self._gathered.append((name, sealed, str(queue_id) if queue_id else None, dropped))
        if len(self._gathered) == 1:
            try:
                asyncio.get_running_loop().call_later(GATHER_SECONDS, self.flush)
            except RuntimeError:  # called outside of a loop, which nothing would wake later
                self.flush()

    def flush(self) -> None:
        """Hand over what was gathered."""
        gathered, self._gathered = self._gathered, []
        for name, sealed, subject, dropped in gathered:
            self._publisher.publish(
                sealed.event_type,
                sealed.correlation_id,
                sealed.value,
                headers_of(sealed, subject),
                partial(self._report, name, dropped),
            )

    def _report(self, name: str, dropped: Dropped, error: DeliveryError | None) -> None:
        if error is not None:
            self._drop(name, error.code, dropped)

    def _drop(self, name: str, reason: str, dropped: Dropped) -> None:
        self._observer(Note("lifecycle.dropped", labels={"event": name, "reason": reason}))
        dropped()
