"""All that happens when a request ends: the same for each of its ends, on a real Redis and a real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from umpire_events import Remembered, read
from umpire_ledger import MOCK, House, stored

from completion.delivery import Delivery
from completion.finisher import Finisher
from completion.judgement import Judgement, Spent
from contracts.encoding import loads
from contracts.enums import EssayComparisonWinner, QueueStatus
from contracts.errors import InternalError, ProviderUnavailable, RequestCancelled, RequestExpired, UmpireError
from contracts.events import TokenUsage
from contracts.settings import KafkaSettings, LedgerSettings, Settings
from devtools.servers import apoll
from ledger.claims import Claims
from ledger.completion import CompletedBy, UnclaimedRequests
from ledger.redis.connection import connect
from ledger.request import StoredRequest
from ledger.sweeps import Orphan
from tasks.flower_events import FlowerEvents
from telemetry.metrics import Metrics
from telemetry.observer import Fanout

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

USAGE = TokenUsage(prompt_tokens=10, completion_tokens=5, total_tokens=15)
SPENT = Spent().attempted().called(1.5).paid(USAGE, 0.25)
OWNER = "k1"


class Flower(FlowerEvents):
    """Keeps Celery's events instead of handing them to a consumer."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def _gather(self, event: str, **fields: Any) -> None:
        self.sent.append((event, fields))


@dataclass
class Desk:
    """One process that ends requests, and all that it sends."""

    house: House
    claims: Claims
    delivery: Delivery
    flower: Flower
    notes: Remembered
    metrics: Metrics
    kafka: KafkaSettings
    topic: str
    finisher: Finisher

    async def admit(self) -> StoredRequest:
        request = stored(owner=OWNER)
        request = request.model_copy(
            update={"request": request.request.model_copy(update={"callback_topic": self.topic, "user_id": "u1"})}
        )
        await self.house.admit(request)
        return request

    async def confirmed(self) -> None:
        """Wait until Kafka has confirmed all results."""
        await self.delivery.drain(20)

        async def empty() -> bool:
            return not await self.house.entries()

        await apoll(empty, what="an empty outbox")

    def lifecycle(self, name: str) -> dict[str, Any]:
        (message,) = read(self.kafka.kafka_bootstrap, f"{self.kafka.topic_prefix}llm_provider.{name}.v1", 1)
        data: dict[str, Any] = loads(message.value() or b"")["data"]
        return data

    def lines(self, name: str) -> list[str]:
        text = self.metrics.render().decode()
        return [line for line in text.splitlines() if line.startswith(f"llm_provider_{name}")]


@pytest.fixture
async def desk(redis_url: str, kafka_bootstrap: str) -> AsyncIterator[Desk]:
    redis: Redis = connect(redis_url, timeout=5.0)
    topic, prefix = f"verdicts.{uuid4().hex}", f"t{uuid4().hex[:8]}."
    kafka = KafkaSettings(kafka_bootstrap=kafka_bootstrap, topic_prefix=prefix)
    notes, metrics, flower = Remembered(), Metrics(), Flower()
    observer = Fanout(notes, metrics)
    house = House(redis)
    claims = Claims(redis, MOCK, house.settings, owner="one", cap=60.0)
    delivery = Delivery(redis, Settings(kafka=kafka), observer)
    finisher = Finisher(
        claims.finish, delivery.relay, delivery.lifecycle, kafka,
        sha256_of=lambda _: "0" * 64, flower=flower, observer=observer,
    )  # fmt: skip
    yield Desk(house, claims, delivery, flower, notes, metrics, kafka, topic, finisher)
    await delivery.close(1, short=1)
    await redis.aclose()


@dataclass
class End:
    """One way in which a request ends, and what is expected of it."""

    state: QueueStatus
    event: str
    error: UmpireError | None
    note: str
    flower: str
    outcome: str

    @property
    def claimed(self) -> bool:
        """A claim of this process ends it, with a verdict or with its error."""
        return self.note == "comparison.finished"


ENDS = {
    "completed": End(
        QueueStatus.COMPLETED, "QUEUE_REQUEST_COMPLETED", None, "comparison.finished", "task-succeeded", "completed"
    ),
    "failed": End(
        QueueStatus.FAILED, "QUEUE_REQUEST_FAILED", ProviderUnavailable("down"), "comparison.finished", "task-failed",
        "failed: LLM_PROVIDER_UNAVAILABLE, attempt 1",
    ),
    "expired": End(
        QueueStatus.EXPIRED, "QUEUE_REQUEST_EXPIRED", RequestExpired("too late"), "comparison.ended", "task-failed",
        "expired: LLM_REQUEST_EXPIRED, attempt 1",
    ),
    "cancelled": End(
        QueueStatus.CANCELLED, "QUEUE_REQUEST_CANCELLED", RequestCancelled("by its caller"), "comparison.ended",
        "task-failed", "cancelled: LLM_REQUEST_CANCELLED, attempt 1",
    ),
    "given up": End(
        QueueStatus.FAILED, "QUEUE_REQUEST_FAILED", InternalError("its workers died"), "comparison.ended",
        "task-failed", "failed: LLM_INTERNAL_ERROR, attempt 1",
    ),
}  # fmt: skip


async def end(at: Desk, how: End, name: str) -> StoredRequest:
    request = await at.admit()
    if how.claimed or name == "given up":
        (claimed,) = await at.claims.claim(str(request.queue_id), more=0)
    if how.claimed:
        judgement = Judgement(model="mock-1", spent=SPENT, seconds=1.5, error=how.error)
        if how.error is None:
            verdict = {"winner": EssayComparisonWinner.ESSAY_A, "justification": "Clearer.", "confidence": 4.0}
            judgement = Judgement(model="mock-1", spent=SPENT, seconds=1.5, **verdict)  # type: ignore[arg-type]
        await at.finisher.finish(claimed, judgement, forbidden=False)
    else:
        assert how.error is not None
        by = CompletedBy.HOLDER if name == "given up" else CompletedBy.UNCLAIMED
        orphan = Orphan(request, SPENT.model_dump_json().encode())
        assert await at.finisher.end(orphan, how.error, how.state, by)
    return request


@pytest.mark.parametrize("name", ENDS)
async def test_each_end_has_its_event_usage_row_and_metric(desk: Desk, name: str) -> None:
    how = ENDS[name]
    request = await end(desk, how, name)
    await desk.confirmed()

    # The completion record.
    assert (await desk.house.record(request.queue_id))["s"].decode() == how.state.value

    # The result event.
    (message,) = await asyncio.to_thread(read, desk.kafka.kafka_bootstrap, desk.topic, 1)
    result = loads(message.value() or b"")["data"]
    assert result["request_id"] == str(request.queue_id)
    assert (result["winner"] is None) is (how.error is not None)
    assert (result["cost_estimate"], result["token_usage"]["total_tokens"]) == (0.25, 15)

    # Lifecycle events.
    completed = await asyncio.to_thread(desk.lifecycle, "request_completed")
    assert completed["success"] is (how.error is None)
    assert completed["correlation_id"] == str(request.correlation_id)
    assert completed["error_message"] == (how.error.message if how.error else None)
    assert (completed["cost_estimate"], completed["token_usage"]["total_tokens"]) == (0.25, 15)
    assert completed["user_id"] == "u1"
    status = await asyncio.to_thread(desk.lifecycle, "queue_status")
    assert (status["status"], status["event"]) == (how.state.value, how.event)
    assert status["queue_id"] == str(request.queue_id)

    # Usage.
    (day,) = await desk.house.redis.keys("umpire:day:*")
    totals = {key.decode(): float(value) for key, value in (await desk.house.redis.hgetall(day)).items()}
    assert totals == {"requests": 1, f"requests.{OWNER}": 1, f"mock.{how.state.value}": 1, "cost": 0.25}
    (spent,) = await desk.house.redis.keys("umpire:spent:*")
    assert float(await desk.house.redis.hget(spent, OWNER)) == 0.25

    # Flower's row.
    (row,) = desk.flower.sent
    assert (row[0], row[1]["uuid"]) == (how.flower, str(request.queue_id))
    assert row[1].get("result", row[1].get("exception")) == how.outcome

    # Log line and metrics.
    failures = desk.notes.named("comparison.failed")
    assert [note.labels["status"] for note in failures] == (
        [how.state.value] if how.state in {QueueStatus.FAILED, QueueStatus.EXPIRED} else []
    )
    (note,) = desk.notes.named(how.note)
    assert dict(note.labels) == {"provider": "mock", "status": how.state.value}
    assert desk.lines("comparisons_total") == [
        f'llm_provider_comparisons_total{{provider="mock",status="{how.state.value}"}} 1.0'
    ]
    assert bool(desk.lines("comparison_duration_seconds_count")) is how.claimed


async def test_what_has_ended_elsewhere_is_not_published_and_counts_once(desk: Desk) -> None:
    request = await desk.admit()
    (claimed,) = await desk.claims.claim(str(request.queue_id), more=0)
    verdict = Judgement(
        model="mock-1", spent=SPENT, winner=EssayComparisonWinner.ESSAY_A, justification="Clearer.", confidence=4.0
    )
    await desk.finisher.finish(claimed, verdict, forbidden=False)
    await desk.finisher.finish(claimed, verdict.failed(ProviderUnavailable("down")), forbidden=False)
    late = Orphan(request, b"")
    assert not await desk.finisher.end(late, RequestExpired("too late"), QueueStatus.EXPIRED)
    assert len(await desk.house.entries()) == 1
    assert len(desk.notes.named("lease.lost")) == 1
    assert desk.lines("comparisons_total") == ['llm_provider_comparisons_total{provider="mock",status="completed"} 1.0']


async def test_a_forbidden_topic_gets_no_event(desk: Desk) -> None:
    request = await desk.admit()
    (claimed,) = await desk.claims.claim(str(request.queue_id), more=0)
    error = ProviderUnavailable("down")
    await desk.finisher.finish(claimed, Judgement(model="m", spent=SPENT, error=error), forbidden=True)
    await desk.confirmed()
    assert await desk.house.redis.zrange("umpire:dead", 0, -1) == [str(request.queue_id).encode()]


async def test_an_api_process_ends_what_no_worker_holds(desk: Desk) -> None:
    unstarted = UnclaimedRequests(desk.house.redis, LedgerSettings(), owner="api")
    finisher = Finisher(
        unstarted.end, desk.delivery.relay, desk.delivery.lifecycle, desk.kafka, sha256_of=lambda _: "0" * 64
    )
    cancelled, running = await desk.admit(), await desk.admit()
    await desk.claims.claim(str(running.queue_id), more=0)
    error = RequestCancelled("by its caller")
    assert await finisher.end(Orphan(cancelled, b""), error, QueueStatus.CANCELLED)
    assert not await finisher.end(Orphan(running, b""), error, QueueStatus.CANCELLED)
    states = [(await desk.house.record(UUID(str(one.queue_id))))["s"] for one in (cancelled, running)]
    assert states == [b"cancelled", b"processing"]
