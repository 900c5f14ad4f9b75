"""The API on a socket of this process, and a worker that answers as the test chooses."""

import asyncio
import contextlib
import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import httpx2
import uvicorn
from pydantic import SecretStr

from contracts.clock import utcnow
from contracts.enums import EssayComparisonWinner, LLMProviderType, QueueStatus
from contracts.errors import ProviderUnavailable
from contracts.events import ErrorDetail, LLMComparisonResultV1, TokenUsage
from contracts.settings import (
    BreakerSettings,
    KafkaSettings,
    LedgerSettings,
    RedisSettings,
    ServiceSettings,
    Settings,
    SpoolSettings,
)
from devtools.servers import apoll, free_port
from events.envelope import seal_result
from guard.breaker import Breaker
from ledger.claims import Claimed, Claims
from ledger.completion import CompletedBy, Completion
from ledger.redis.connection import connect
from ledger.redis.tasks import cancel_and_wait
from service.app import create_app
from telemetry.metrics.metrics import Metrics
from telemetry.observer import Fanout, Note
from web.connection.protocol import Protocol

MOCK = LLMProviderType.MOCK
SECRET = "the-secret-of-essay-A"
BODY: dict[str, Any] = {"user_prompt": f"Which is better? {SECRET}", "callback_topic": "my.topic.v1"}

#: No server listens there: the API must work without Kafka.
NO_KAFKA = "127.0.0.1:9"


def settings_of(
    redis_url: str, *, kafka: str = NO_KAFKA, ledger: Any = None, spool: Any = None, **service: Any
) -> Settings:
    return Settings(
        service=ServiceSettings(**service),
        redis=RedisSettings(redis_url=SecretStr(redis_url)),
        kafka=KafkaSettings(kafka_bootstrap=kafka),
        ledger=LedgerSettings(**(ledger or {})),
        spool=SpoolSettings(
            **{"spool_path": Path(tempfile.mkdtemp(prefix="umpire-spool-")) / "s.sqlite3", **(spool or {})}
        ),
        breaker=BreakerSettings(breaker_recovery_seconds=30.0),
    )


class Notes(list[Note]):
    def __call__(self, note: Note, /) -> None:
        self.append(note)

    def named(self, what: str) -> list[Note]:
        return [note for note in self if note.what == what]


class RunningApi:
    """The application of one API process, served by a real uvicorn on this loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.notes = Notes()
        metrics = Metrics()
        self.app = create_app(settings, (Fanout(metrics, self.notes), metrics))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx2.AsyncClient(base_url=self.url, timeout=60)

    server: uvicorn.Server

    @property
    def dependencies(self) -> Any:
        return self.app.state.dependencies

    async def post(self, body: Any = None, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps({**BODY, **(body or {}), **fields})
        sent = {"content-type": "application/json", **(headers or {})}
        return await self.client.post("/api/v1/comparison", content=content, headers=sent)

    async def get(self, path: str, **parameters: Any) -> httpx2.Response:
        return await self.client.get(path, params=parameters)


@contextlib.asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[RunningApi]:
    it = RunningApi(settings)
    config = uvicorn.Config(
        it.app, port=it.port, loop="none", http=Protocol, log_config=None, access_log=False, lifespan="on"
    )
    server = it.server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    serving = asyncio.create_task(server.serve())
    await apoll(lambda: server.started or serving.done(), what="the API serves")
    try:
        yield it
    finally:
        await it.client.aclose()
        server.should_exit = True
        await serving


def verdict(claimed: Claimed, **more: Any) -> LLMComparisonResultV1:
    stored = claimed.stored
    fields = {
        "request_id": str(stored.queue_id),
        "correlation_id": stored.correlation_id,
        "winner": EssayComparisonWinner.ESSAY_B,
        "justification": "B is clearer.",
        "confidence": 4.0,
        "provider": stored.provider,
        "model": stored.model,
        "response_time_ms": 12,
        "token_usage": TokenUsage(prompt_tokens=9, completion_tokens=1, total_tokens=10),
        "cost_estimate": 0.25,
        "requested_at": stored.requested_at,
        "completed_at": utcnow(),
        "trace_id": None,
        "request_metadata": {"cost_known": True, **stored.request.metadata},
    }
    return LLMComparisonResultV1(**{**fields, **more})


def failure(code: str, **details: Any) -> Callable[[Claimed], LLMComparisonResultV1]:
    def of(claimed: Claimed) -> LLMComparisonResultV1:
        error = ErrorDetail(
            error_code=code,
            message="it did not work",
            correlation_id=claimed.stored.correlation_id,
            timestamp=utcnow(),
            operation="compare",
            details=details,
        )
        return verdict(claimed, winner=None, justification=None, confidence=None, error_detail=error)

    return of


class Worker:
    """Claims the queued requests of the mock and completes them with `judge`, through the real ledger."""

    def __init__(self, settings: Settings, judge: Callable[[Claimed], LLMComparisonResultV1] = verdict) -> None:
        self._settings = settings
        self._judge = judge
        self.redis = connect(settings.redis.redis_url.get_secret_value(), timeout=2.0)
        self.claims = Claims(self.redis, MOCK, settings.ledger, owner="test", cap=60.0)
        self.seen: list[Claimed] = []

    async def once(self, most: int = 16) -> list[Claimed]:
        claimed = await self.claims.claim(None, more=most)
        self.seen += claimed
        for one in claimed:
            await self.finish(one)
        return claimed

    async def finish(self, claimed: Claimed) -> None:
        result = self._judge(claimed)
        ending = Completion(
            queue_id=result.request_id,
            state=QueueStatus.FAILED if result.error_detail else QueueStatus.COMPLETED,
            by=CompletedBy.ANY,
            topic=claimed.stored.request.callback_topic,
            key=str(result.correlation_id),
            event=seal_result(result, self._settings.kafka).value,
            cost=result.cost_estimate,
        )
        assert await self.claims.finish(ending)

    async def work(self) -> None:
        while True:
            if not await self.once():
                await asyncio.sleep(0.005)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator["Worker"]:
        task = asyncio.create_task(self.work())
        try:
            yield self
        finally:
            await cancel_and_wait(task)
            if not task.cancelled():
                task.result()
            await self.redis.aclose()


async def open_breaker(it: RunningApi) -> None:
    """With the guard's own breaker, as a worker does."""
    redis = connect(it.settings.redis.redis_url.get_secret_value(), timeout=2.0)
    breaker = Breaker(redis, MOCK, it.settings)
    for _ in range(it.settings.breaker_volume):
        await breaker.failed(ProviderUnavailable("down"))
    await redis.aclose()

    async def seen() -> bool:
        return not (await it.dependencies.availability.read())[MOCK].available

    await apoll(seen, what="the breaker is open")


async def admitted(it: RunningApi) -> int:
    return (await it.dependencies.ledger.stats.sizes()).unfinished


class Stopwatch:
    def __enter__(self) -> Self:
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started


#: Ways for a Redis to be away, and back.
WAYS = {
    "stopped": (lambda server: server.kill(), lambda server: server.start()),
    "frozen": (lambda server: server.pause(), lambda server: server.resume()),
    "out of memory": (
        lambda server: server.command("CONFIG", "SET", "maxmemory", "1"),
        lambda server: server.command("CONFIG", "SET", "maxmemory", "0"),
    ),
    "read-only": (
        lambda server: server.command("REPLICAOF", "127.0.0.1", "1"),
        lambda server: server.command("REPLICAOF", "NO", "ONE"),
    ),
}


PROBLEM_FIELDS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "error",
    "error_code",
    "message",
    "correlation_id",
    "timestamp",
    "service",
    "operation",
    "details",
    "is_retryable",
}


def problem_of(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() == PROBLEM_FIELDS
    assert body["status"] == status
    assert body["error_code"] == code
    assert body["detail"] == body["error"] == body["message"]
    assert ErrorDetail.model_validate_json(answer.content).error_code == code
    assert body["service"] == "llm_provider_service"
    assert body["type"].startswith("/problems/")
    uuid.UUID(body["correlation_id"])
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    return body
