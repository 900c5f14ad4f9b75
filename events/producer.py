"""The publisher: one idempotent Kafka producer per process for results, and one for events that may be lost."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from contracts.settings import KafkaSettings
from events.config import QUEUE_EVENTS, alone_config, best_effort_config, producer_config
from events.connection import Connection
from events.delivery_error import CLOSED, QUEUE_FULL, DeliveryError, delivery_error
from events.headers import Headers
from telemetry.observer import Note, Observer, silent
from telemetry.outage import Outage

OnDelivery = Callable[[DeliveryError | None], None]

#: Seconds between two attempts to create a producer: each attempt starts threads.
_MAKE_AGAIN_SECONDS = 1.0

#: After a fatal error the outage lasts until a new producer has delivered an event or had no error for this many
#: seconds. An idempotent producer asks for its id as soon as it reaches a broker, so the error would recur sooner.
_FATAL_SECONDS = 10.0

#: The operating system refused memory or a thread.
_NO_RESOURCES = DeliveryError("_CRIT_SYS_RESOURCE", retriable=True)

#: Seconds between two checks for a topic that the brokers may be creating.
_LOOK_AGAIN_SECONDS = 0.1

#: While the brokers are unavailable, one best-effort event is let through per this many seconds, as a probe.
_PROBE_SECONDS = 2.0


#: Seconds between two attempts of `recover`, and seconds that a broker has to answer it.
RECOVER_SECONDS, ANSWER_SECONDS = 2.0, 1.0


class NoProducer(Exception):
    """librdkafka or the operating system refused to create a producer."""

    def __init__(self, error: DeliveryError) -> None:
        super().__init__(error.code)
        self.error = error


class Publisher:
    """Creating one needs no broker: it connects on first use. All methods may be called from any thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        observer: Observer = silent,
        config: dict[str, Any] | None = None,
        purpose: str = "results",
    ) -> None:
        """`config`: of librdkafka; None: producer_config. `purpose`: for the log."""
        self._config = config or producer_config(settings)
        self._purpose = purpose
        self._observer = observer
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._away = Outage(retry_seconds=_PROBE_SECONDS)
        self._outage: str | None = None
        self._fatal_until = 0.0
        self._refused: DeliveryError | None = None
        self._make_again = 0.0

    @classmethod
    def best_effort(cls, settings: KafkaSettings, observer: Observer = silent) -> "Publisher":
        """A publisher of events that may be lost; see best_effort_config."""
        return cls(settings, observer, best_effort_config(settings), "best effort")

    @classmethod
    def alone(cls, settings: KafkaSettings, observer: Observer = silent) -> "Publisher":
        """A publisher that sends each event in a batch of its own; see alone_config."""
        return cls(settings, observer, alone_config(settings), "large results")

    @property
    def away(self) -> bool:
        """The brokers are unavailable: all connections are down or an event timed out, and none was delivered since."""
        return self._away.active

    @property
    def outage(self) -> str | None:
        """Kafka's name of the error that left this process without a working producer, until another producer works;
        else None. Unavailable brokers are not an outage: see `away`.
        """
        return self._outage

    def connect(self) -> None:
        """Create the producer now instead of at the first event, so that `outage` shows whether that works."""
        with suppress(NoProducer):
            self._ready()

    def publish(self, topic: str, key: str, value: bytes, headers: Headers, on_delivery: OnDelivery) -> None:
        """Hand one event to the producer. Never blocks or raises.

        `on_delivery` is called once: with None when the brokers have acknowledged the event, else with the error. The
        call comes from a thread of the producer, or at once if the producer did not take the event.
        """
        if self._closed:
            on_delivery(CLOSED)
            return
        try:
            self._ready().producer.produce(
                topic, value, key, on_delivery=partial(self._report, on_delivery), headers=headers
            )
        except BufferError:
            on_delivery(QUEUE_FULL)
        except NoProducer as refused:
            on_delivery(refused.error)
        except KafkaException as refused:
            on_delivery(delivery_error(refused.args[0]))

    def has_capacity(self) -> bool:
        """Whether a best-effort event should be sent now: see _PROBE_SECONDS and QUEUE_EVENTS."""
        if self._away.active and not self._away.may_try():
            return False
        connection = self._connection
        return connection is None or len(connection.producer) < QUEUE_EVENTS // 2

    def reachable(self, timeout: float) -> bool:
        """Whether a broker answers within `timeout` seconds; blocks until then. Also ends an outage that is over."""
        if self._closed:
            return False
        try:
            connection = self._ready()
            connection.producer.list_topics(timeout=timeout)
        except (KafkaException, NoProducer):
            return False
        if not connection.gone and time.monotonic() >= self._fatal_until:
            self._end_outage()
        return True

    def knows(self, topic: str, timeout: float) -> bool:
        """Whether the brokers have the topic, or create it because of this request, within `timeout` seconds. Blocks.
        Also True if they do not answer, because then the topic may exist.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                found = self._ready().producer.list_topics(topic, timeout=timeout).topics[topic]
            except (KafkaException, NoProducer):
                return True
            if found.error is None or not delivery_error(found.error).unknown_topic:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_AGAIN_SECONDS)

    def flush(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for all delivery reports. Returns how many events still have none."""
        return self._connection.flush(timeout) if self._connection else 0

    def close(self, timeout: float) -> int:
        """Flush, fail the events that have no report by then, and return how many. Later events are refused."""
        self._closed = True
        return self._connection.close(timeout) if self._connection else 0

    def _ready(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.gone:
            return connection
        with self._lock:
            if self._connection is None or self._connection.gone:
                if self._connection is not None:
                    self._connection.retire()
                    self._connection = None
                self._connection = self._make()
            return self._connection

    def _make(self) -> Connection:
        """Create a producer; the caller holds the lock. Raises NoProducer."""
        if self._refused is not None and time.monotonic() < self._make_again:
            raise NoProducer(self._refused)
        try:
            made = Connection(self._config, self._observer, self._error)
        except (KafkaException, RuntimeError, MemoryError, OSError) as error:
            why = error.args[0] if isinstance(error, KafkaException) else None
            # Retriable whatever the reason: the event is not at fault, and another process may deliver it.
            self._refused = DeliveryError(why.name(), retriable=True) if why else _NO_RESOURCES
            self._make_again = time.monotonic() + _MAKE_AGAIN_SECONDS
            self._begin_outage("kafka.no_producer", self._refused.code)
            raise NoProducer(self._refused) from error
        self._refused = None
        if time.monotonic() >= self._fatal_until:
            self._end_outage()
        return made

    def _begin_outage(self, what: str, code: str) -> None:
        begins, self._outage = self._outage is None, code
        if begins:  # log once per outage
            self._observer(Note(what, "error", fields={"code": code, "producer": self._purpose}))

    def _end_outage(self) -> None:
        if self._outage is not None:
            self._outage, self._fatal_until = None, 0.0
            self._observer(Note("kafka.producer_back", "info", fields={"producer": self._purpose}))

    def _report(self, on_delivery: OnDelivery, error: KafkaError | None, _message: Any) -> None:
        if error is None:
            if self._away.active:
                self._away.succeeded()
                self._observer(Note("kafka.back", "info"))
            if self._outage is not None:
                self._end_outage()
            on_delivery(None)
            return
        if error.code() == KafkaError._MSG_TIMED_OUT:  # noqa: SLF001 - librdkafka's local codes are named so
            self._lost(error)
        on_delivery(delivery_error(error))

    def _error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
            self._lost(error)
        elif error.fatal():
            self._fatal_until = time.monotonic() + _FATAL_SECONDS
            self._begin_outage("kafka.fatal", error.name())

    def _lost(self, error: KafkaError) -> None:
        if not self._away.active:  # a failure during the outage must not put off the next probe
            self._away.failed()
            self._observer(Note("kafka.away", "warning", fields={"code": error.name()}))


async def recover(publishers: Sequence[Publisher]) -> None:
    """Replace producers that failed as soon as possible, even while the process has nothing to send. Never returns."""
    while True:
        for publisher in publishers:
            if publisher.outage is not None:
                await asyncio.to_thread(publisher.reachable, ANSWER_SECONDS)
        await asyncio.sleep(RECOVER_SECONDS)
