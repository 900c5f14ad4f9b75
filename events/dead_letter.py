"""The dead-letter topic: what Kafka refused for good, best effort. The ledger's dead letters have it in any case."""

from functools import partial

from contracts.encoding import dumps, loads
from contracts.settings import KafkaSettings
from contracts.topics import CALLBACK_DEAD_LETTER
from events.delivery import DeliveryError
from events.headers import Headers, headers_of_value
from events.producer import Publisher
from ledger.outbox import Entry
from telemetry.observer import Note, Observer, silent


def dead_letter(entry: Entry, error: DeliveryError) -> tuple[bytes, Headers]:
    """The same event, which says in `metadata` and headers where it was to go, and why it did not; too large, it goes
    without the caller's `request_metadata`.
    """
    event = loads(entry.event)
    why = {"dead_letter_topic": entry.topic, "dead_letter_reason": error.code}
    event["metadata"] = {**(event.get("metadata") or {}), **why}
    if error.too_large:
        event["data"]["request_metadata"] = {}
    made: Headers = [(name, value.encode()) for name, value in why.items()]
    return dumps(event), headers_of_value(entry.event, entry.queue_id) + made


class DeadLetterTopic:
    def __init__(self, publisher: Publisher, settings: KafkaSettings, observer: Observer = silent) -> None:
        """`publisher`: one for best effort."""
        self._publisher = publisher
        self._topic = settings.topic_prefix + CALLBACK_DEAD_LETTER
        self._observer = observer

    def tell(self, entry: Entry, error: DeliveryError) -> None:
        """Never blocks or raises."""
        value, made = dead_letter(entry, error)
        self._publisher.publish(self._topic, entry.key, value, made, partial(self._report, entry.queue_id))

    def _report(self, queue_id: str, error: DeliveryError | None) -> None:
        if error is not None:
            labels = {"event": CALLBACK_DEAD_LETTER, "reason": error.code}
            self._observer(Note("lifecycle.dropped", "warning", labels, fields={"queue_id": queue_id}))
