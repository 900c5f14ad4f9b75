"""What the tests of events share: reading a topic back, and an observer that remembers."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from contracts.enums import EssayComparisonWinner, LLMProviderType
from contracts.events import LLMComparisonResultV1, TokenUsage
from devtools.servers import poll
from telemetry.observer import Note

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def result(**changes: Any) -> LLMComparisonResultV1:
    fields: dict[str, Any] = {
        "request_id": str(uuid4()),
        "correlation_id": uuid4(),
        "winner": EssayComparisonWinner.ESSAY_A,
        "justification": "Clearer – å",
        "confidence": 4.0,
        "provider": LLMProviderType.MOCK,
        "model": "mock-judge",
        "response_time_ms": 12,
        "token_usage": TokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        "cost_estimate": 0.25,
        "requested_at": datetime.now(UTC),
        "completed_at": datetime.now(UTC),
        "request_metadata": {"essay_a_id": "1", "deep": {"list": [1, None, "å"]}},
    }
    return LLMComparisonResultV1(**fields | changes)


class Remembered(list[Note]):
    """An observer: the notes, in order."""

    def __call__(self, note: Note, /) -> None:
        self.append(note)

    def named(self, what: str) -> list[Note]:
        return [note for note in self if note.what == what]


def read(bootstrap: str, topic: str, count: int, deadline: float = 30.0) -> list[Message]:
    """The first `count` events of a topic, or more when more are there already."""
    # No group: joining one takes the embedded broker three seconds.
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
    found: list[Message] = []

    def partitions() -> list[TopicPartition]:
        known = consumer.list_topics(topic, timeout=10).topics[topic]
        return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in known.partitions]

    def enough() -> bool:
        found.extend(message for message in consumer.consume(1000, 0.1) if message.error() is None)
        return len(found) >= count

    try:
        consumer.assign(poll(partitions, deadline, every=0.1, what=f"topic {topic}"))
        poll(enough, deadline, what=f"{count} events on {topic}")
    finally:
        consumer.close()
    return found
