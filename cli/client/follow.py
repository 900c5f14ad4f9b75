"""Reads the verdicts that arrive on a callback topic after the follower was made."""

import math
import time
from collections.abc import Iterator
from contextlib import suppress

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from cli.failure import Failure
from contracts.encoding import loads
from contracts.events import EventEnvelope, LLMComparisonResultV1
from contracts.settings import KafkaSettings
from events.config import client_config

Verdict = EventEnvelope[LLMComparisonResultV1]

_METADATA_SECONDS = 10.0
#: A broker's errors for a topic that is being created.
_NOT_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
#: Seconds between two looks for a topic that does not exist yet.
_RETRY_SECONDS = 0.5
_POLL_SECONDS = 0.2


class Follower:
    """Consumes all partitions from their ends. It joins no group, so other consumers of the topic are not disturbed."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        """Raises Failure when Kafka does not answer."""
        self._topic = topic
        # librdkafka requires a group; no offset is committed to it.
        options = {"group.id": "umpire-cli", "enable.auto.commit": False, "allow.auto.create.topics": True}
        self._consumer = Consumer(client_config(settings) | options | {"log_level": 2})
        self._next_try = 0.0
        deadline = time.monotonic() + _METADATA_SECONDS
        while True:
            try:
                self._assign(start=True)
                break
            except KafkaException as error:
                if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                    self._consumer.close()
                    reason = error.args[0].str()
                    raise Failure(f"no answer from Kafka at {settings.kafka_bootstrap} ({reason})") from error
                time.sleep(_POLL_SECONDS)

    def events(self, deadline: float) -> Iterator[Verdict | None]:
        """Result events as they come, and None several times a second, so that the caller can do other checks. Ends at
        the deadline (time.monotonic).
        """
        while time.monotonic() < deadline:
            if time.monotonic() > self._next_try:
                with suppress(KafkaException):  # tried again soon
                    self._assign(start=False)
            message = self._consumer.poll(_POLL_SECONDS)
            if message is None or message.error():
                yield None  # librdkafka reconnects automatically
            elif (verdict := _parse(message.value())) is not None:
                yield verdict

    def close(self) -> None:
        self._consumer.close()

    def _assign(self, *, start: bool) -> None:
        """Assign the topic's partitions: from their ends at the start, from their beginnings if created later."""
        self._next_try = time.monotonic() + _RETRY_SECONDS
        topics = self._consumer.list_topics(self._topic, timeout=_METADATA_SECONDS).topics
        partitions = [
            TopicPartition(self._topic, number, OFFSET_BEGINNING)
            for number in (topics[self._topic].partitions if self._topic in topics else ())
        ]
        if start:
            for one in partitions:
                one.offset = self._consumer.get_watermark_offsets(one, timeout=_METADATA_SECONDS)[1]
        if partitions:
            self._consumer.assign(partitions)
            self._next_try = math.inf


def _parse(value: bytes | None) -> Verdict | None:
    """The result event in a message, or None: a topic may carry other messages too."""
    try:
        return Verdict.model_validate(loads(value or b""))
    except ValueError:
        return None
