"""Real worker and API processes, requests for them, and the events that come of it."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from redis.asyncio import Redis

from contracts.clock import utcnow
from contracts.encoding import loads
from contracts.enums import LLMProviderType
from contracts.errors import ProviderUnavailable
from contracts.events import EventEnvelope, LLMComparisonResultV1
from contracts.http import LLMComparisonRequest
from contracts.queues import list_names, queue_name
from contracts.settings import BreakerSettings, LedgerSettings, Settings
from devtools.aimock import Aimock
from devtools.providers import KEY, PATHS, body_of
from devtools.servers import Process, apoll, free_port, port_open
from devtools.upstream import Connection, Upstream, answer
from guard.breaker import Breaker
from ledger.ledger import Ledger
from ledger.redis.connection import connect
from ledger.request import StoredRequest
from providers.models.manifest import Manifest

#: A start takes two seconds on an idle machine; tests share two cores.
START_SECONDS = 60.0

#: Stands in each prompt of `Desk.submit`; it must be seen nowhere but upstream.
CANARY = "the-canary-in-the-essay"

Result = EventEnvelope[LLMComparisonResultV1]


class Worker:
    """`umpire worker --provider X`."""

    def __init__(self, provider: LLMProviderType, *options: str, **settings: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="umpire-worker-"))
        self._ready = self._directory / "ready"
        self.provider = provider
        command = [sys.executable, "-m", "cli.main", "worker", "--provider", provider.value]
        command += ["--ready-file", str(self._ready), *options]
        self.process = Process(f"worker {provider.value}", command, self._directory / "log", settings)

    def start(self) -> "Worker":
        self._ready.unlink(missing_ok=True)
        self.process.start(self._ready.exists, START_SECONDS)
        return self

    def discard(self) -> None:
        self.process.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def log(self) -> str:
        return self.process.log.read_text()


def reach(provider: LLMProviderType, url: str) -> dict[str, str]:
    """All that a provider needs: a key, and the upstream's address."""
    name = f"UMPIRE_{provider.value.upper()}"
    return {f"{name}_API_KEY": KEY, f"{name}_BASE_URL": url + PATHS[provider.value]}


@contextlib.asynccontextmanager
async def worker(provider: LLMProviderType, *options: str, **settings: str) -> AsyncIterator[Worker]:
    """A running one. It starts in a thread: what the test serves on its own loop must go on."""
    made = Worker(provider, *options, **settings)
    try:
        yield await asyncio.to_thread(made.start)
    finally:
        made.discard()


@contextlib.asynccontextmanager
async def api(**settings: str) -> AsyncIterator[tuple[httpx2.AsyncClient, Process]]:
    """`umpire api`: a client of it, and its process."""
    port = free_port()
    directory = Path(tempfile.mkdtemp(prefix="umpire-api-"))
    command = [sys.executable, "-m", "cli.main", "api", "--port", str(port)]
    process = Process(
        "api", command, directory / "log", {"UMPIRE_SPOOL_PATH": str(directory / "spool.sqlite3"), **settings}
    )
    try:
        await asyncio.to_thread(process.start, lambda: port_open(port), START_SECONDS)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client, process
    finally:
        process.kill()
        shutil.rmtree(directory, ignore_errors=True)


class Inbox:
    """The events of one topic, from its beginning. No group: joining one takes the embedded broker three seconds."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self.messages: list[Message] = []
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
        self._assigned = False

    def look(self) -> list[Message]:
        """Every event so far."""
        if not self._assigned:
            known = self._consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions
            self._consumer.assign([TopicPartition(self.topic, number, OFFSET_BEGINNING) for number in known])
            self._assigned = bool(known)
        else:
            self.messages += [m for m in self._consumer.consume(1000, 0.02) if m.error() is None]
        return self.messages

    @property
    def events(self) -> list[dict[str, Any]]:
        return [loads(message.value() or b"") for message in self.look()]

    @property
    def results(self) -> dict[str, Result]:
        """By queue id, each held to the contract; a second event of a request must be the same event."""
        found: dict[str, Result] = {}
        for message in self.look():
            result = Result.model_validate_json(message.value() or b"")
            first = found.setdefault(result.data.request_id, result)
            assert first.event_id == result.event_id
        return found

    async def until(self, queue_ids: Iterable[str | UUID], deadline: float = 30.0) -> dict[str, Result]:
        """The results, once each of these requests has one."""
        wanted = {str(queue_id) for queue_id in queue_ids}
        missing, seen = set(wanted), 0

        def all_there() -> bool:
            nonlocal seen
            fresh, seen = self.look()[seen:], len(self.messages)
            missing.difference_update(loads(m.value() or b"")["data"]["request_id"] for m in fresh)
            return not missing

        try:
            await apoll(all_there, deadline, every=0.05, what=f"{len(wanted)} results on {self.topic}")
        except AssertionError as late:
            raise AssertionError(f"{late}; missing: {sorted(missing)[:20]}") from None
        return self.results

    def close(self) -> None:
        self._consumer.close()


class Desk:
    """What a test puts into the ledger and reads from Kafka, as the door and a client would."""

    def __init__(self, redis_url: str, kafka: str) -> None:
        self.redis_url = redis_url
        self.kafka = kafka
        self.topic = f"verdicts.{uuid4().hex}"
        self.redis: Redis = connect(redis_url, timeout=5.0)
        self.ledger = Ledger(self.redis, LedgerSettings(), timeout=5.0)
        self.inbox = Inbox(kafka, self.topic)
        #: A prefix of its own: lifecycle events of this test alone.
        self.prefix = f"t{uuid4().hex[:8]}."
        self._inboxes = [self.inbox]

    @property
    def settings(self) -> dict[str, str]:
        return {
            "UMPIRE_REDIS_URL": self.redis_url,
            "UMPIRE_KAFKA_BOOTSTRAP": self.kafka,
            "UMPIRE_TOPIC_PREFIX": self.prefix,
        }

    def lifecycle(self, name: str) -> Inbox:
        made = Inbox(self.kafka, self.prefix + name)
        self._inboxes.append(made)
        return made

    async def submit(
        self, provider: LLMProviderType, prompt: str = "Which is better?", *, model: str | None = None,
        ttl: float = 3600.0, owner: str | None = None, **fields: Any,
    ) -> str:  # fmt: skip
        """Admit a request past the door. Returns its queue id."""
        now = utcnow()
        stored = StoredRequest(
            queue_id=uuid4(),
            correlation_id=uuid4(),
            request=LLMComparisonRequest(user_prompt=f"{prompt} {CANARY}", callback_topic=self.topic, **fields),
            provider=provider,
            model=model or Manifest.load().default(provider).model_id,
            requested_at=now,
            expires_at=now + timedelta(seconds=ttl),
            owner=owner,
        )
        await self.ledger.admit(stored)
        return str(stored.queue_id)

    async def state(self, queue_id: str) -> str | None:
        state: bytes | None = await self.redis.hget(f"umpire:req:{queue_id}", "s")
        return state.decode() if state else None

    async def states(self, queue_ids: Iterable[str]) -> Counter[str | None]:
        return Counter([await self.state(queue_id) for queue_id in queue_ids])

    async def messages(self, provider: LLMProviderType) -> list[bytes]:
        """What stands in the provider's Celery queue."""
        lists = [await self.redis.lrange(name, 0, -1) for name in list_names(queue_name(provider))]
        return [message for messages in lists for message in messages]

    async def close(self) -> None:
        for inbox in self._inboxes:
            inbox.close()
        await self.redis.aclose()


@contextlib.asynccontextmanager
async def desk(redis_url: str, kafka: str) -> AsyncIterator[Desk]:
    made = Desk(redis_url, kafka)
    try:
        yield made
    finally:
        await made.close()


def failed_lines(log: str) -> list[dict[str, Any]]:
    """Of a worker's log: the lines of comparisons that ended failed or expired."""
    lines = [loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "comparison.failed"]


def attempts_at(upstream: Upstream | Aimock) -> Counter[str]:
    """Calls that arrived upstream, by queue id: every adapter sends it in this header.

    aimock's journal tells of a call once it is answered; what is recorded in front of it counts those that hang, too.
    """
    calls = upstream.calls if isinstance(upstream, Upstream) else upstream.requests()
    return Counter(name.rpartition(".")[0] for call in calls if (name := call["headers"].get("x-umpire-attempt")))


def judging(
    provider: LLMProviderType = LLMProviderType.ANTHROPIC, *, seconds: float = 0.0
) -> Callable[[Connection], Awaitable[None]]:
    """An upstream's answer: a verdict after so many seconds."""
    send = answer(200, body_of(provider))

    async def judge(connection: Connection) -> None:
        await asyncio.sleep(seconds)
        await send(connection)

    return judge


async def open_breaker(at: Desk, provider: LLMProviderType, **settings: Any) -> None:
    """As workers would whose calls all fail."""
    rules = Settings(breaker=BreakerSettings(**settings))
    breaker = Breaker(at.redis, provider, rules)
    for _ in range(rules.breaker_volume):
        await breaker.failed(ProviderUnavailable("down"))
