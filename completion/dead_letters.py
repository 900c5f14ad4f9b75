"""The dead-letter topic: a best-effort copy of each result that Kafka refused for good. The event itself is always kept
in the ledger's dead letters.

A copy is shortened until it fits: the whole event, then without the caller's `request_metadata`, then a summary of at
most `SUMMARY_BYTES`.
"""

from enum import IntEnum
from functools import partial
from typing import Any

from contracts.encoding import dumps, loads
from contracts.settings import KafkaSettings
from contracts.topics import CALLBACK_DEAD_LETTER
from events.delivery_error import DeliveryError
from events.headers import Headers, headers_of_value
from events.producer import Publisher
from ledger.outbox import Entry
from telemetry.observer import Note, Observer, silent

#: Most bytes of a summary: key, value, headers, and what Kafka adds to a batch of one event (61 bytes, and at most 4
#: for each header), with the default topic prefix. It leaves room below a `max.message.bytes` of 2,000.
SUMMARY_BYTES = 1_800

#: Characters of a model's name in a summary; OpenRouter's names are the longest, with some 60.
_MODEL_CHARACTERS = 100


class Cut(IntEnum):
    """How much of the event a copy contains."""

    WHOLE = 0
    NO_METADATA = 1
    SUMMARY = 2


def dead_letter(entry: Entry, error: DeliveryError, cut: Cut) -> tuple[bytes, Headers]:
    """Value and headers of the copy. Its `metadata` and headers add its topic, the error, and whether it was cut."""
    event = loads(entry.event)
    why = {"dead_letter_topic": entry.topic, "dead_letter_reason": error.code}
    if cut is not Cut.WHOLE:
        why["dead_letter_truncated"] = "true"
    made = headers_of_value(entry.event, entry.queue_id)
    if cut is Cut.NO_METADATA:
        event["data"]["request_metadata"] = {}
    elif cut is Cut.SUMMARY:
        event["data"] = _summary(event["data"])
        event["metadata"] = None
        made = [(name, value) for name, value in made if name not in {"traceparent", "trace_id"}]
    event["metadata"] = {**(event.get("metadata") or {}), **why}
    return dumps(event), made + [(name, value.encode()) for name, value in why.items()]


def _summary(data: dict[str, Any]) -> dict[str, Any]:
    """The request's id and its outcome, without any text of a model or a caller."""
    error = data.get("error_detail") or {}
    return {
        "request_id": data.get("request_id"),
        "provider": data.get("provider"),
        "model": str(data.get("model"))[:_MODEL_CHARACTERS],
        "winner": data.get("winner"),
        "error_code": error.get("error_code"),
    }


class DeadLetterTopic:
    def __init__(self, publisher: Publisher, settings: KafkaSettings, observer: Observer = silent) -> None:
        """`publisher` must send one event per batch, since brokers apply their size limit to the batch."""
        self._publisher = publisher
        self._topic = settings.topic_prefix + CALLBACK_DEAD_LETTER
        self._observer = observer

    def send(self, entry: Entry, error: DeliveryError) -> None:
        """Send a copy of `entry`. Never blocks or raises."""
        self._send(entry, error, Cut.NO_METADATA if error.too_large else Cut.WHOLE)

    def _send(self, entry: Entry, error: DeliveryError, cut: Cut) -> None:
        value, made = dead_letter(entry, error, cut)
        self._publisher.publish(self._topic, entry.key, value, made, partial(self._report, entry, error, cut))

    def _report(self, entry: Entry, error: DeliveryError, cut: Cut, refused: DeliveryError | None) -> None:
        if refused is None:
            return
        if refused.too_large and cut is not Cut.SUMMARY:
            self._send(entry, error, Cut(cut + 1))
            return
        labels = {"event": CALLBACK_DEAD_LETTER, "reason": refused.code}
        self._observer(Note("lifecycle.dropped", "warning", labels, fields={"queue_id": entry.queue_id}))
