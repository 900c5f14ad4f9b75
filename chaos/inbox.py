"""Reads the callback topics in a thread, and records each event."""

import hashlib
import json
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from chaos.journal import Journal

PARTITIONS = 4

#: After this many seconds without an event a new consumer goes on, so that one that is stuck on a partition since the
#: broker's restart does not look like a lost event.
IDLE_SECONDS = 20.0


class Inbox:
    def __init__(self, bootstrap: str, topics: list[str], journal: Journal) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._journal = journal
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="inbox", daemon=True)
        #: Topic and partition → the offset to read next.
        self._next = {(topic, number): OFFSET_BEGINNING for topic in topics for number in range(PARTITIONS)}
        #: Queue ids with an event, and how many events there were.
        self.answered: set[str] = set()
        self.events = 0

    def start(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in self._topics]).values():
            made.result(30)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _read(self) -> None:
        while not self._stop.is_set():
            consumer = Consumer(
                {
                    "bootstrap.servers": self._bootstrap, "group.id": "chaos", "enable.auto.commit": False,
                    "reconnect.backoff.max.ms": 500, "log_level": 0,
                }
            )  # fmt: skip
            consumer.assign([TopicPartition(*each, offset) for each, offset in self._next.items()])
            self._read_until_idle(consumer)
            consumer.close()

    def _read_until_idle(self, consumer: Consumer) -> None:
        last = time.monotonic()
        while not self._stop.is_set() and time.monotonic() - last < IDLE_SECONDS:
            try:
                messages = consumer.consume(500, 0.2)
            except KafkaException:
                continue  # no broker; librdkafka reconnects automatically
            for message in messages:
                if message.error() is None:
                    self._take(message)
                    last = time.monotonic()

    def _take(self, message: Message) -> None:
        self._next[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        event = json.loads(message.value() or b"")
        headers = message.headers() or []
        number = dict(headers).get("redelivery")
        same = [one for one in headers if one[0] != "redelivery"]
        digest = hashlib.sha256(repr((message.key(), message.value(), same)).encode()).hexdigest()
        self._journal.write(
            topic=message.topic(), partition=message.partition(), offset=message.offset(),
            key=(message.key() or b"").decode(), event=event, digest=digest,
            redelivery=int(number) if number else None,
        )  # fmt: skip
        self.events += 1
        self.answered.add(str(event["data"]["request_id"]))
