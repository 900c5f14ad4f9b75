"""Reads the verdicts that arrive on a callback topic after the follower was made."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from cli.failure import Failure
from contracts.encoding import loads
from contracts.events import EventEnvelope, LLMComparisonResultV1
from contracts.settings import KafkaSettings
from events.config import client_config

Verdict = EventEnvelope[LLMComparisonResultV1]

_METADATA_SECONDS = 10.0
#: Errors of a broker for a topic that is being made.
_NOT_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
#: How often a topic that does not exist yet is looked for, in seconds.
_LOOK_SECONDS = 0.5
_POLL_SECONDS = 0.2


class Follower:
    """Consumes all partitions from their ends. It joins no group, so other consumers of the topic are not disturbed."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            client_config(settings)
            | {
                # librdkafka requires a group; no offset is committed to it.
                "group.id": "umpire-cli",
                "enable.auto.commit": False,
                "allow.auto.create.topics": True,
                "log_level": 2,
            }
        )
        self._partitions = 0
        self._looked = 0.0
        try:
            self._take_place()
        except KafkaException as error:
            self._consumer.close()
            raise Failure(f"no answer from Kafka at {settings.kafka_bootstrap} ({error.args[0].str()})") from error

    def events(self, deadline: float) -> Iterator[Verdict | None]:
        """Result events as they come, and None several times a second, so that the caller can do other checks. Ends at
        the deadline (time.monotonic).
        """
        while time.monotonic() < deadline:
            if not self._partitions and time.monotonic() - self._looked > _LOOK_SECONDS:
                with suppress(KafkaException):  # tried again soon
                    self._look(start=False)
            message = self._consumer.poll(_POLL_SECONDS)
            if message is None or message.error():
                yield None  # librdkafka reconnects automatically
            elif (verdict := _parse(message.value())) is not None:
                yield verdict

    def close(self) -> None:
        self._consumer.close()

    def _take_place(self) -> None:
        """Assign the partitions. Repeats while a topic that this request has created has no leader yet."""
        deadline = time.monotonic() + _METADATA_SECONDS
        while True:
            try:
                return self._look(start=True)
            except KafkaException as error:
                if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)

    def _look(self, *, start: bool) -> None:
        """Assign the topic's partitions: from their ends at the start, from their beginnings if created later."""
        self._looked = time.monotonic()
        topics = self._consumer.list_topics(self._topic, timeout=_METADATA_SECONDS).topics
        found = topics[self._topic].partitions if self._topic in topics else {}
        new = [TopicPartition(self._topic, number) for number in found]
        for partition in new:
            partition.offset = (
                self._consumer.get_watermark_offsets(partition, timeout=_METADATA_SECONDS)[1]
                if start
                else OFFSET_BEGINNING
            )
        if new:
            self._consumer.assign(new)
            self._partitions = len(new)


def _parse(value: bytes | None) -> Verdict | None:
    """The result event in a message, or None: a topic may carry other messages too."""
    try:
        content: Any = loads(value or b"")
        return Verdict.model_validate(content)
    except ValueError:
        return None
