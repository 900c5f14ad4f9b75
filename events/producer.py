"""The publisher: one idempotent Kafka producer a process for results, and one for what may be lost."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from contracts.process import pid
from contracts.settings import KafkaSettings
from events.config import QUEUE_EVENTS, alone_config, best_effort_config, producer_config
from events.connection import Connection
from events.delivery import CLOSED, QUEUE_FULL, DeliveryError, delivery_error
from events.headers import Headers
from telemetry.observer import Note, Observer, silent

OnDelivery = Callable[[DeliveryError | None], None]

#: Producers that were made before a fork: librdkafka's threads stayed with the parent, and destroying one here would
#: wait for them for ever.
_inherited: list[Connection] = []

#: While the broker is away, one best-effort event in so many seconds goes through, to find out whether it is back.
_PROBE_SECONDS = 2.0


class Publisher:
    """Made freely, connected on first use. All methods may be called from any thread."""

    def __init__(self, settings: KafkaSettings, observer: Observer = silent) -> None:
        self._config: dict[str, Any] = producer_config(settings)
        self._observer = observer
        self._pid = pid()
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._away = False
        self._next_probe = 0.0

    @classmethod
    def best_effort(cls, settings: KafkaSettings, observer: Observer = silent) -> "Publisher":
        """A publisher of events that may be lost; see best_effort_config."""
        publisher = cls(settings, observer)
        publisher._config = best_effort_config(settings)
        return publisher

    @classmethod
    def alone(cls, settings: KafkaSettings, observer: Observer = silent) -> "Publisher":
        """A publisher that sends each event in a batch of its own; see alone_config."""
        publisher = cls(settings, observer)
        publisher._config = alone_config(settings)
        return publisher

    @property
    def away(self) -> bool:
        """No broker answered lately."""
        return self._away

    def publish(self, topic: str, key: str, value: bytes, headers: Headers, on_delivery: OnDelivery) -> None:
        """Hand over one event. Never blocks or raises; `on_delivery` is told once: None when all replicas have it.

        It is called from a thread of the producer, or at once, when the event was not even taken.
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
        except KafkaException as refused:
            on_delivery(delivery_error(refused.args[0]))

    def has_room(self) -> bool:
        """Whether a best-effort event would be taken now."""
        if self._away:
            now = time.monotonic()
            if now < self._next_probe:
                return False
            self._next_probe = now + _PROBE_SECONDS
        connection = self._connection
        return connection is None or len(connection.producer) < QUEUE_EVENTS // 2

    def reachable(self, timeout: float) -> bool:
        """Whether a broker answers within `timeout` seconds. Blocks for as long."""
        if self._closed:
            return False
        try:
            self._ready().producer.list_topics(timeout=timeout)
        except KafkaException:
            return False
        return True

    def flush(self, timeout: float) -> int:
        """Wait for the reports of what was handed over; how many events still have none after `timeout` seconds."""
        connection = self._own()
        return connection.flush(timeout) if connection else 0

    def close(self, timeout: float) -> int:
        """Flush and end; what has no report by then is failed. Afterwards nothing is taken any more."""
        self._closed = True
        connection = self._own()
        return connection.close(timeout) if connection else 0

    def _ready(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.gone and self._pid == pid():
            return connection
        connection = self._own()
        with self._lock:
            if self._connection is None or self._connection.gone:
                if self._connection is not None:
                    self._connection.retire()
                self._connection = Connection(self._config, self._observer, self._error)
            return self._connection

    def _own(self) -> Connection | None:
        """The connection that this process made, if any: one that a fork brought along is left alone."""
        if self._pid != pid():
            # A thread of the parent may have held the lock at the fork.
            self._lock = threading.Lock()
            if self._connection is not None:
                _inherited.append(self._connection)
            self._connection, self._pid, self._away = None, pid(), False
        return self._connection

    def _report(self, on_delivery: OnDelivery, error: KafkaError | None, _message: Any) -> None:
        if error is None:
            if self._away:
                self._away = False
                self._observer(Note("kafka.back", "info"))
            on_delivery(None)
            return
        if error.code() == KafkaError._MSG_TIMED_OUT:  # noqa: SLF001 - librdkafka's local codes are named so
            self._lost(error)
        on_delivery(delivery_error(error))

    def _error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
            self._lost(error)
        elif error.fatal():
            self._observer(Note("kafka.fatal", "error", fields={"code": error.name()}))

    def _lost(self, error: KafkaError) -> None:
        if not self._away:
            self._away = True
            self._observer(Note("kafka.away", "warning", fields={"code": error.name()}))
