"""The consumer in docs/consuming.md, as it stands there: each effect once, over kills, redeliveries and rubbish."""

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from umpire_worker import Desk, desk, worker

from contracts.encoding import dumps, loads
from contracts.enums import LLMProviderType
from devtools.servers import Process, apoll

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "examples" / "consume.py"
PAGE = ROOT / "docs" / "consuming.md"

COUNT, KILLS = 300, 3

#: Not one of these may stop it, or become an effect.
RUBBISH: tuple[Callable[[dict[str, Any]], bytes | None], ...] = (
    lambda _: None,
    lambda _: b"no JSON",
    lambda _: b"\xff\xfe",
    lambda _: b"[" * 100_000,
    lambda _: b"[1]",
    lambda event: dumps({**event, "event_id": 7}),
    lambda event: dumps({**event, "schema_version": 2}),
    lambda event: dumps({**event, "event_id": str(uuid4()), "data": {**event["data"], "winner": "Essay C"}}),
    lambda event: dumps(_with_essay(event, ["no", "string"])),
    lambda event: dumps(_with_essay(event, "%%")).replace(b"%%", rb"\ud800"),
)


def _with_essay(event: dict[str, Any], essay: object) -> dict[str, Any]:
    metadata = {"essay_a_id": essay, "essay_b_id": essay}
    data = {**event["data"], "request_id": str(uuid4()), "request_metadata": metadata}
    return {**event, "event_id": str(uuid4()), "data": data}


class Example:
    """The script as a process, and what it has in its database."""

    def __init__(self, at: Desk, directory: Path) -> None:
        self._at = at
        self._directory = directory
        self.database = directory / "verdicts.sqlite3"

    def start(self, group: str) -> Process:
        options = {
            "--bootstrap": self._at.kafka,
            "--topic": self._at.topic,
            "--group": f"{self._at.topic}.{group}",
            "--database": str(self.database),
            "--instance": "one",
        }
        command = [sys.executable, str(SCRIPT), *(word for option in options.items() for word in option)]
        process = Process("consumer", command, self._directory / "log")
        process.start(self.database.exists)
        return process

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database, timeout=10)) as db:
            try:
                return db.execute(query).fetchall()
            except sqlite3.OperationalError:  # it has not made its tables yet
                return []

    def count(self, table: str) -> int:
        return len(self.rows(f"SELECT 1 FROM {table}"))  # noqa: S608 - a name of ours

    async def until(self, table: str, count: int) -> None:
        await apoll(lambda: self.count(table) >= count, 30, what=f"{count} rows in {table}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """It reads on, and cannot write what it has read."""
        with closing(sqlite3.connect(self.database, timeout=10, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield


@pytest.mark.redis
@pytest.mark.kafka
@pytest.mark.parametrize("any_kafka", ["apache"], indirect=True)
async def test_each_effect_happens_once(redis_url: str, any_kafka: str, tmp_path: Path) -> None:
    """It is killed three times while verdicts come; then all is delivered again, with rubbish in between."""
    async with desk(redis_url, any_kafka) as at:
        # One partition: what is read after the last event was read after all others, too.
        admin = AdminClient({"bootstrap.servers": any_kafka})
        admin.create_topics([NewTopic(at.topic, 1, 1)])[at.topic].result()
        example = Example(at, tmp_path)
        process = example.start("first")
        try:
            settings = {"UMPIRE_MOCK_LATENCY_MS": "100", "UMPIRE_MOCK_CONCURRENCY": "8", **at.settings}
            async with worker(LLMProviderType.MOCK, **settings):
                essays = [{"essay_a_id": f"e{n % 7}", "essay_b_id": f"e{n % 5 + 7}"} for n in range(COUNT)]
                judged = [await at.submit(LLMProviderType.MOCK, metadata=pair) for pair in essays]
                expired = await at.submit(LLMProviderType.OPENAI, ttl=0.1, metadata=essays[0])
                for kill in range(1, KILLS + 1):
                    await example.until("seen", kill * COUNT // (KILLS + 2))
                    with example.locked():
                        more = len(at.inbox.look()) + 30
                        await apoll(lambda more=more: len(at.inbox.look()) >= more, 30, what="events that it has read")
                        process.kill()
                    assert example.count("seen") < COUNT, "it was killed in the middle"
                    process = example.start("first")
                results = await at.inbox.until([*judged, expired], 60)
                await example.until("seen", COUNT + 1)
            expected = Counter(
                pair["essay_a_id" if results[queue_id].data.winner == "Essay A" else "essay_b_id"]
                for queue_id, pair in zip(judged, essays, strict=True)
            )
            assert dict(example.rows("SELECT * FROM wins")) == expected
            failed = (expired, "LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED", 1)
            assert example.rows("SELECT * FROM failed") == [failed]
            assert example.count("rejected") == 0
            wins = dict(example.rows("SELECT * FROM wins"))

            events = [message.value() or b"" for message in at.inbox.messages]
            produce(at, [*(make(loads(events[0])) for make in RUBBISH), *events])
            await example.until("rejected", len(RUBBISH))
            assert process.stop() == 0
            # A new group is given everything once more, from the beginning.
            process = example.start("second")
            produce(at, [dumps(_with_essay(loads(events[0]), "the last"))])
            await apoll(lambda: example.rows("SELECT 1 FROM wins WHERE essay_id = 'the last'"), 30, what="the last one")
            assert process.stop() == 0
            assert dict(example.rows("SELECT * FROM wins")) == {**wins, "the last": 1}
            assert example.rows("SELECT * FROM failed") == [failed]
            assert example.count("seen") == COUNT + 2
            assert example.count("rejected") == len(RUBBISH)
        finally:
            process.kill()


def produce(at: Desk, values: list[bytes | None]) -> None:
    producer = Producer({"bootstrap.servers": at.kafka})
    for value in values:
        producer.produce(at.topic, value, "key")
    assert producer.flush(20) == 0


def test_the_page_shows_the_code_as_it_is() -> None:
    shown = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown
    scripts = [path.read_text(encoding="utf-8") for path in SCRIPT.parent.glob("*.py")]
    for block in shown:
        assert any(block in script for script in scripts), block
