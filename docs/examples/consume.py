"""A consumer of umpire's callbacks: each effect exactly once, even if this process is killed or an event comes twice.

    pip install confluent-kafka
    python consume.py --bootstrap localhost:9092 --topic my.verdicts --group my-service --database verdicts.sqlite3

The effect here is a table of wins by essay. Replace `apply` by your own.
"""

import argparse
import json
import logging
import signal
import sqlite3
from types import FrameType
from typing import Any, NamedTuple
from uuid import UUID

from confluent_kafka import Consumer, KafkaException, Message

log = logging.getLogger("consume")

RESULT = "llm_provider.comparison_result.v1"

#: Winner → the key of its id in our `metadata`.
SIDES = {"Essay A": "essay_a_id", "Essay B": "essay_b_id"}

#: Effects and seen events are in one database, so that one transaction can write both.
SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY, request_id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS wins (essay_id TEXT PRIMARY KEY, wins INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS failed (
    request_id TEXT PRIMARY KEY, code TEXT NOT NULL, reason TEXT NOT NULL, submit_again INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS rejected (
    topic TEXT, part INTEGER, place INTEGER, why TEXT NOT NULL, value BLOB, PRIMARY KEY (topic, part, place)
);
"""


class Malformed(Exception):
    """Reading the message again would fail again."""


class Outcome(NamedTuple):
    """The fields of a result event that this consumer uses. It ignores all others."""

    event_id: str
    request_id: str
    winner: str | None
    """Our id of the better essay, from the `metadata` that we sent and umpire returned."""
    code: str = ""
    reason: str = ""
    submit_again: bool = False


def read(value: bytes | None) -> Outcome:
    try:
        event = json.loads(value or b"")
        if not event["event_type"].endswith(RESULT) or event["schema_version"] != 1:
            raise Malformed("no result event of version 1")
        data = event["data"]
        ids = str(UUID(event["event_id"])), str(UUID(data["request_id"]))
        if error := data["error_detail"]:
            details = error["details"]
            return Outcome(
                *ids, None, text(error["error_code"]), text(details.get("reason", "")), bool(details["is_retryable"])
            )
        return Outcome(*ids, text(data["request_metadata"][SIDES[data["winner"]]]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"{type(error).__name__}: {error}") from error


def text(value: object) -> str:
    """Raises TypeError; ValueError for half a surrogate pair, which JSON allows."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a string")
    return value.encode().decode()


def handle(db: sqlite3.Connection, message: Message) -> None:
    """Process one message within the caller's transaction."""
    try:
        outcome = read(message.value())
    except Malformed as why:
        place = (message.topic(), message.partition(), message.offset())
        db.execute("INSERT OR IGNORE INTO rejected VALUES (?, ?, ?, ?, ?)", (*place, str(why), message.value()))
        log.warning("rejected %s: %s", place, why)
        return
    seen = db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (outcome.event_id, outcome.request_id))
    if seen.rowcount:
        apply(db, outcome)


def apply(db: sqlite3.Connection, outcome: Outcome) -> None:
    """The effect. `handle` calls this once for each event; a second call would count the win twice."""
    if outcome.winner is not None:
        db.execute("INSERT INTO wins VALUES (?, 1) ON CONFLICT DO UPDATE SET wins = wins + 1", (outcome.winner,))
    else:
        row = (outcome.request_id, outcome.code, outcome.reason, outcome.submit_again)
        db.execute("INSERT INTO failed VALUES (?, ?, ?, ?)", row)


def consume(consumer: Consumer, db: sqlite3.Connection, stopping: list[int]) -> None:
    while not stopping:
        messages = []
        for message in consumer.consume(100, timeout=0.2):
            if error := message.error():
                if error.fatal():
                    raise KafkaException(error)
                log.warning("%s", error.str())
            else:
                messages.append(message)
        if not messages:
            continue
        with db:  # one transaction: everything or nothing
            db.execute("BEGIN IMMEDIATE")
            for message in messages:
                handle(db, message)
        # Not before: if this process is killed here, the next one reads the events again and finds each in `seen`.
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            log.warning("offsets not committed; some events will be read again: %s", error.args[0].str())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--instance", help="name of this process: after a restart it gets its partitions back at once")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    db = sqlite3.connect(options.database, isolation_level=None)  # needs synchronous=FULL, the default
    db.executescript(SCHEMA)
    config: dict[str, Any] = {
        "bootstrap.servers": options.bootstrap,
        "group.id": options.group,
        "enable.auto.commit": False,
        # A new group, or one whose offsets Kafka has deleted, begins with the oldest event and misses none.
        "auto.offset.reset": "earliest",
    }
    if options.instance:
        config["group.instance.id"] = options.instance
    consumer = Consumer(config)
    consumer.subscribe([options.topic])
    try:
        consume(consumer, db, stopping)
    finally:
        consumer.close()
        db.close()


if __name__ == "__main__":
    main()
