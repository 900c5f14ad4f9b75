"""The gate of a worker process, on a real Redis: what closes it, and the one probe that it lets through."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK, Notes, breaker_settings

from contracts.errors import ModelForbidden, ProviderMisconfigured, ProviderUnavailable
from contracts.queues import queue_name
from contracts.settings import HoldSettings
from devtools.servers import apoll
from guard import hold as holds_module
from guard.breaker import Breaker
from guard.gate import Gate
from guard.hold import Holds
from ledger.parked import Parked
from ledger.redis.connection import connect
from ledger.redis.tasks import cancel_and_wait
from tasks.call.claim_state import Probe
from tasks.flower_events import FlowerEvents
from tasks.gate.gatekeeper import Gatekeeper

pytestmark = pytest.mark.redis

REJECTED, FORBIDDEN = ProviderMisconfigured("401"), ModelForbidden("403")


class Consumer:
    """As far as the gate needs Celery's: it consumes from one queue, or not."""

    event_dispatcher = None

    def __init__(self) -> None:
        self.queues = {queue_name(MOCK)}
        self.task_consumer = self

    def call_soon(self, function: Any, *arguments: Any) -> None:
        function(*arguments)

    def consuming_from(self, queue: str) -> bool:
        return queue in self.queues

    def add_task_queue(self, queue: str) -> None:
        self.queues.add(queue)

    def cancel_task_queue(self, queue: str) -> None:
        self.queues.discard(queue)

    @property
    def consumes(self) -> bool:
        return bool(self.queues)


class Lifecycle(list[Any]):
    def send(self, event: object, *_: object, **__: object) -> None:
        self.append(event)


class Worker:
    """A gatekeeper with a consumer, and the probes that it let through."""

    def __init__(self, redis: Redis, *, automatic: bool = True) -> None:
        self.settings = breaker_settings(recovery_seconds=0.2)
        self.breaker = Breaker(redis, MOCK, self.settings)
        self.consumer, self.lifecycle, self.notes, self.reopened = Consumer(), Lifecycle(), Notes(), 0
        self.probes: list[Probe] = []
        self.waiting, self.answers = True, False
        flower = FlowerEvents()
        self.gate = Gatekeeper(
            MOCK,
            gate=Gate(redis, MOCK),
            breaker=self.breaker,
            shared_holds=Holds(redis, MOCK, HoldSettings()),
            parked=Parked(redis, MOCK),
            flower=flower,
            lifecycle=cast("Any", self.lifecycle),
            observer=self.notes,
            probe_seconds=60.0,
            automatic=automatic,
            reopened=self._count_reopened,
        )
        flower.on_start = self.gate.consumer_started
        flower.attach(self.consumer)
        self._watching = asyncio.create_task(self.gate.watch(self._waits, self._run))

    def _count_reopened(self) -> None:
        self.reopened += 1

    async def _waits(self) -> bool:
        return self.waiting

    async def _run(self, probe: Probe) -> None:
        self.probes.append(probe)
        if self.answers:
            self.gate.announce(await self.breaker.probe_succeeded(probe.name, 0.1))

    async def fail(self) -> None:
        for _ in range(self.settings.breaker_volume):
            self.gate.announce(await self.breaker.failed(ProviderUnavailable("down"), 0.1))

    async def stop(self) -> None:
        await cancel_and_wait(self._watching)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client: Redis = connect(redis_url, timeout=2.0)
    yield client
    await client.aclose()


@pytest.fixture
async def worker(redis: Redis) -> AsyncIterator[Worker]:
    made = Worker(redis)
    yield made
    await made.stop()


async def test_an_open_breaker_closes_the_gate_at_once_and_a_probe_is_let_through(worker: Worker) -> None:
    await worker.fail()
    assert (worker.gate.open, worker.gate.shut, worker.consumer.consumes) == (False, "breaker", False)
    (probe,) = await apoll(lambda: worker.probes, what="a probe, after the recovery time")
    assert (probe.breaker, probe.hold) == (True, False)


async def test_a_probe_waits_until_there_is_a_request(worker: Worker) -> None:
    worker.waiting = False
    await worker.fail()
    await asyncio.sleep(0.6)  # longer than the recovery time and a look
    assert worker.probes == []
    worker.waiting = True
    await apoll(lambda: worker.probes, what="a probe")


async def test_a_probe_that_succeeds_opens_the_gate_again(worker: Worker) -> None:
    worker.answers = True
    await worker.fail()
    assert not worker.consumer.consumes
    await apoll(lambda: worker.consumer.consumes, what="it consumes again")
    assert worker.reopened >= 1, "slow start begins"
    assert worker.lifecycle[0].circuit_state == "open"


async def test_another_process_breaker_closes_this_gate_too(redis: Redis, worker: Worker) -> None:
    other = Breaker(redis, MOCK, worker.settings)
    for _ in range(worker.settings.breaker_volume):
        await other.failed(ProviderUnavailable("down"), 0.1)
    await apoll(lambda: not worker.consumer.consumes, what="the gate is closed")


async def test_a_pause_ends_when_its_time_is_over(worker: Worker) -> None:
    await worker.gate.pause(0.5)
    await apoll(lambda: not worker.consumer.consumes, what="the pause")
    assert worker.gate.shut is None, "a call that has its slot may start"
    await apoll(lambda: worker.consumer.consumes, what="the end of the pause")


async def test_a_rejected_key_closes_the_gate_before_redis_knows_of_it(worker: Worker) -> None:
    raising = asyncio.create_task(worker.gate.holds.raise_hold(REJECTED, 0.1, model="", mark=None, probe=""))
    await asyncio.sleep(0)
    assert (worker.gate.shut, worker.consumer.consumes) == ("hold", False)
    await raising
    (event,) = await apoll(lambda: worker.lifecycle, what="the hold is announced")
    assert event.hold_reason == "misconfigured"
    assert [note.labels["hold"] for note in worker.notes.named("hold.changed")] == ["misconfigured"]


async def test_a_hold_that_redis_did_not_take_is_reported_later_and_no_read_lifts_it(
    redis: Redis, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_ = Holds.raise_
    away = True

    async def raise_or_not(self: Holds, *arguments: Any, **more: Any) -> Any:
        return None if away else await raise_(self, *arguments, **more)

    monkeypatch.setattr(Holds, "raise_", raise_or_not)
    assert await worker.gate.holds.raise_hold(REJECTED, 0.1, model="", mark=None, probe="") is None
    await asyncio.sleep(0.6)  # two looks at a Redis that knows of no hold
    assert worker.gate.shut == "hold"
    away = False
    await apoll(lambda: redis.exists("umpire:hold:mock"), what="Redis knows of the hold")


async def test_a_model_on_hold_leaves_the_gate_open(worker: Worker) -> None:
    await worker.gate.holds.raise_hold(FORBIDDEN, 0.1, model="m", mark=None, probe="")
    await worker.gate.holds.raise_hold(FORBIDDEN, 0.1, model="m", mark=None, probe="")
    assert "m" in worker.gate.holds.models
    assert worker.gate.open
    assert worker.gate.shut is None


async def test_an_operators_hold_is_followed_and_never_probed(redis: Redis, worker: Worker) -> None:
    await holds_module.pause(redis, MOCK, None, "a bad model day")
    await apoll(lambda: worker.gate.shut == "hold", what="the hold")
    await asyncio.sleep(0.4)
    assert worker.probes == []
    await holds_module.resume(redis, MOCK)
    await apoll(lambda: worker.consumer.consumes, what="it consumes again")


async def test_holds_that_began_before_they_were_switched_off_are_lifted(redis: Redis) -> None:
    await Holds(redis, MOCK, HoldSettings()).raise_(REJECTED, 0.1)
    worker = Worker(redis, automatic=False)
    await apoll(lambda: redis.exists("umpire:hold:mock"), what="the hold")

    async def lifted() -> bool:
        return (await Gate(redis, MOCK).read()).hold is None

    await apoll(lifted, what="the hold is lifted")
    await apoll(lambda: worker.gate.shut is None, what="calls may start")
    await worker.stop()
