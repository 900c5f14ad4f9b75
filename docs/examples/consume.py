"""A consumer of umpire's callbacks: each effect exactly once, whatever happens to this process or comes twice.

    pip install confluent-kafka
    python consume.py --bootstrap localhost:9092 --topic my.verdicts --group my-service --database verdicts.sqlite3

The effect here is a table of wins by essay. Take `apply` away, and put your own in its place.
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

#: Which of the ids in our `metadata` the winner is.
SIDES = {"Essay A": "essay_a_id", "Essay B": "essay_b_id"}

#: The effects, and what was seen, are in one database: only so can they be written in one transaction.
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
    """It will never be understood, however often it is read."""


class Outcome(NamedTuple):
    """What is used of a result event; whatever else is in it is left alone."""

    event_id: str
    request_id: str
    winner: str | None
    """Our own id of the better essay: umpire gives back the `metadata` that we sent."""
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
    """Raises TypeError, and ValueError where JSON let half a surrogate pair through."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a string")
    return value.encode().decode()


def handle(db: sqlite3.Connection, message: Message) -> None:
    """One message, inside of the caller's transaction."""
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
    """The effect. It would count twice if it were applied twice: `handle` sees to it that it is not."""
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
        with db:  # one transaction: all of it, or nothing
            db.execute("BEGIN IMMEDIATE")
            for message in messages:
                handle(db, message)
        # Only now. Killed before this line, the next process reads them again, and finds each in `seen`.
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].fatal():
                raise
            log.warning("offsets not committed, so some will come again: %s", error.args[0].str())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", default="localhost:9092")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--instance", help="this process' own name: a restart has its partitions back at once")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    db = sqlite3.connect(options.database, isolation_level=None)  # its default, synchronous=FULL, is what is needed
    db.executescript(SCHEMA)
    config: dict[str, Any] = {
        "bootstrap.servers": options.bootstrap,
        "group.id": options.group,
        "enable.auto.commit": False,
        # A new group, or one whose offsets Kafka has forgotten, begins with the oldest event and passes over none.
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
