"""One librdkafka producer, with the thread that serves its reports."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Producer

from telemetry.fault import fault
from telemetry.observer import Level, Note, Observer

#: How long one poll waits when nothing happens; a report wakes it at once. Bounds how long a stop takes.
_POLL_SECONDS = 0.2
#: Reports are served at most this often: a wake-up for each would cost more than the event itself, and only the outbox
#: waits for them.
_PAUSE_SECONDS = 0.005


class Connection:
    """A producer of this process; `gone` tells that librdkafka gave it up and it must be replaced."""

    def __init__(self, config: dict[str, Any], observer: Observer, on_error: Callable[[KafkaError], None]) -> None:
        self.gone = False
        self._observer = observer
        self._on_error = on_error
        self._stopping = threading.Event()
        self.producer = Producer(config | {"error_cb": self._error}, logger=_logger(observer))
        self._thread = threading.Thread(target=self._serve, name="kafka-reports", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            del self.producer  # refers back to this object by its callback; its own threads end with it
            raise

    def retire(self) -> None:
        """Fail what is still queued, so that each event's owner is told, and end the thread once it was."""
        self.gone = True
        self.producer.purge(in_queue=True, in_flight=True)
        self._stopping.set()

    def flush(self, timeout: float) -> int:
        """Events still without a report after at most `timeout` seconds."""
        return self.producer.flush(timeout)

    def close(self, timeout: float) -> int:
        left = self.flush(timeout)
        self.retire()
        self._thread.join(_POLL_SECONDS * 10)
        return left

    def _serve(self) -> None:
        while not self._stopping.is_set() or len(self.producer):
            try:
                self.producer.poll(_POLL_SECONDS)
                self._stopping.wait(_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 - the outermost loop of its thread: reports must go on
                self._observer(Note("kafka.report_failed", "error", fields=fault(error)))
                # One that comes again at once must not keep a processor busy.
                self._stopping.wait(_POLL_SECONDS)

    def _error(self, error: KafkaError) -> None:
        # An idempotent producer that lost its sequence refuses everything from then on.
        if error.fatal():
            self.gone = True
        self._on_error(error)


class _ToObserver(logging.Handler):
    """librdkafka's own log lines, as notes."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        # Warnings at most: what matters to us is told by reports, and an absent broker is no error of this process.
        level: Level = "warning" if record.levelno >= logging.ERROR else "info"
        self._observer(Note("kafka.log", level, fields={"line": record.getMessage()}))


def _logger(observer: Observer) -> logging.Logger:
    # Not from getLogger: it belongs to one producer, and nobody else's configuration reaches it.
    logger = logging.Logger("librdkafka")  # noqa: LOG001 - see above
    logger.addHandler(_ToObserver(observer))
    return logger
