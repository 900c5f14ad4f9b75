"""What the tests of events share: reading a topic back, and an observer that remembers."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from umpire_servers import poll

from telemetry.observer import Note


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
