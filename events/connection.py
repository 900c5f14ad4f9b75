"""One librdkafka producer, with the thread that serves its delivery reports."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Producer

from telemetry.fault import fault
from telemetry.observer import Level, Note, Observer

#: Longest wait of one poll; a report ends it at once. It bounds how long a stop takes.
_POLL_SECONDS = 0.2
#: Pause between two polls: waking up for each report would cost more than the event itself, and only the outbox waits
#: for reports.
_PAUSE_SECONDS = 0.005


class Connection:
    """A producer of this process. `gone`: it had a fatal error or was retired, and must be replaced."""

    def __init__(self, config: dict[str, Any], observer: Observer, on_error: Callable[[KafkaError], None]) -> None:
        self.gone = False
        self._observer = observer
        self._on_error = on_error
        self._stopping = threading.Event()
        self.producer = Producer(config | {"error_cb": self._error}, logger=_logger(observer))
        self._thread = threading.Thread(target=self._serve, name="kafka-reports", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the system has no more threads
            del self.producer  # its callback refers to this object: break the cycle, so that its own threads end
            raise

    def retire(self) -> None:
        """Fail all queued events, so that each gets its report, and end the thread after the last report."""
        self.gone = True
        self.producer.purge(in_queue=True, in_flight=True)
        self._stopping.set()

    def flush(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for reports. Returns how many events still have none."""
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
                # An error that repeats at once must not cause a busy loop.
                self._stopping.wait(_POLL_SECONDS)

    def _error(self, error: KafkaError) -> None:
        # After a fatal error, such as a lost sequence, an idempotent producer refuses all further events.
        if error.fatal():
            self.gone = True
        self._on_error(error)


class _ToObserver(logging.Handler):
    """Passes librdkafka's log lines to the observer as notes."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        # At most a warning: delivery reports show what matters, and an unavailable broker is no error of this process.
        level: Level = "warning" if record.levelno >= logging.ERROR else "info"
        self._observer(Note("kafka.log", level, fields={"line": record.getMessage()}))


def _logger(observer: Observer) -> logging.Logger:
    # Not from getLogger: it belongs to one producer, and the process' logging configuration must not affect it.
    logger = logging.Logger("librdkafka")  # noqa: LOG001 - see above
    logger.addHandler(_ToObserver(observer))
    return logger
