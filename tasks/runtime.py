"""Builds everything that a worker process works with, once."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from contracts.settings import Settings
from contracts.topics import COMPARISON_RESULT
from events.cost_alerts import CostAlerts
from events.custodian import Custodian
from events.dead_letter import DeadLetterTopic
from events.ender import Ender
from events.lifecycle import Lifecycle
from events.producer import Publisher
from events.queue_snapshots import QueueSnapshots
from events.recovery import recover
from events.relay import Relay
from events.resender import Resender
from guard.adaptive.exchange import LimitExchange
from guard.breaker import Breaker
from guard.deferral import DeferralPolicy
from guard.gate import Gate
from guard.hold import Holds
from guard.limits import Unlimited, make_limiter
from guard.prefetch import PrefetchingLimiter
from guard.retry import RetryPolicy
from guard.slow_start import SlowStart
from ledger.claims import Claims
from ledger.connection import connect
from ledger.custody import Custody
from ledger.outbox import Outbox
from ledger.parked import Parked
from ledger.redis.tasks import cancel_and_wait
from ledger.spend import SpendThresholds
from ledger.stats import LedgerStats
from providers.factory import make_provider
from providers.prompt import prompt_sha256
from tasks.adapting import Adapting
from tasks.gatekeeper import Gatekeeper
from tasks.heartbeat import beat
from tasks.hook import ResultHook
from tasks.judge import Judge
from tasks.permission import Permission
from tasks.rows import Rows
from tasks.runner import Runner
from tasks.slots import Slots
from tasks.turns import NoTurns, SharedTurns, Turns
from telemetry.duty import for_ever
from telemetry.observer import Note, Observer

#: Timeout of Redis in a worker, in seconds. Generous: no client waits for it, and the verdicts written are paid for.
REDIS_SECONDS = 5.0

#: A lease may outlast its calls' deadline by this many seconds, so that the verdict can be written to the ledger.
REST_SECONDS = 15.0

#: Most requests that one Celery task claims: its own, and further ones of its queue for other free slots.
TAKE_ALONG = 16

#: Longest wait for Kafka's last delivery reports on shutdown, in seconds. Events without one stay in the outbox.
FLUSH_SECONDS = 5.0

#: The same for reporting undelivered events to the ledger, and returning unused reservations to the rate limits.
SETTLE_SECONDS = 1.0

#: The same for the last best-effort events.
BEST_EFFORT_FLUSH_SECONDS = 1.0


class Runtime:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        provider: LLMProviderType,
        slots: int,
        owner: str,
        rows: Rows,
        observer: Observer,
    ) -> None:
        address = settings.redis.address()
        redis = connect(address.url, timeout=REDIS_SECONDS, tls=address.tls)
        cap = settings.retry.call_deadline_seconds + REST_SECONDS
        self._redis = redis
        self._observer = observer
        self._provider_name = provider
        self._rows = rows
        self._stats = LedgerStats(redis, settings.ledger, timeout=REDIS_SECONDS)
        self._claims = Claims(
            redis, provider, settings.ledger, owner=owner, cap=cap, holds=settings.hold, observer=observer
        )
        self._custody = Custody(redis, settings.ledger, owner=owner, holds=settings.hold, observer=observer)
        self._publisher = Publisher(settings.kafka, observer)
        outbox = Outbox(redis, max_dead=settings.kafka.dead_letters_max, observer=observer)
        self._alone = Publisher.alone(settings.kafka, observer)
        self._best_effort = Publisher.best_effort(settings.kafka, observer)
        bury = DeadLetterTopic(self._alone, settings.kafka, observer).tell
        self._relay = Relay(self._publisher, outbox, loop, settings, observer, alone=self._alone, bury=bury)
        self._lifecycle = lifecycle = Lifecycle(self._best_effort, settings.kafka, observer)
        hook = ResultHook(self._relay, lifecycle, settings.kafka)
        breaker = Breaker(redis, provider, settings, observer)
        limiter = make_limiter(redis, provider, settings, observer)
        self._ahead = ahead = PrefetchingLimiter(limiter)
        pace = SlowStart(slots, settings.retry.call_deadline_seconds)
        self._gatekeeper = Gatekeeper(
            provider,
            gate=Gate(redis, provider, observer),
            breaker=breaker,
            holds=Holds(redis, provider, settings.hold, observer),
            parked=Parked(redis, provider),
            rows=rows,
            lifecycle=lifecycle,
            observer=observer,
            probe_seconds=cap,
            automatic=settings.hold.hold == "on",
            # No slow start under our own rate limit: it spaces calls already, and closes the gate now and then.
            reopened=pace.restart if isinstance(limiter, Unlimited) else lambda: None,
        )
        places = Slots(slots)
        rows.slots, rows.in_flight = slots, lambda: places.count - places.free
        turns: Turns = NoTurns()
        self._adapting: Adapting | None = None
        if settings.worker.adaptive_concurrency:
            turns = shared = SharedTurns(places)
            self._adapting = Adapting(LimitExchange(redis, provider, owner), shared, provider, slots, observer)
        rows.on_start = partial(_soon, loop, self._gatekeeper.consumer_started)
        self._provider = make_provider(provider, settings, observer)
        judge = Judge(
            self._provider,
            limiter=ahead,
            breaker=breaker,
            gatekeeper=self._gatekeeper,
            pace=pace,
            turns=turns,
            policy=RetryPolicy.from_settings(settings.retry),
            lifecycle=lifecycle,
            observer=observer,
        )
        self.runner = Runner(
            claims=self._claims,
            slots=places,
            judge=judge,
            hook=hook,
            gatekeeper=self._gatekeeper,
            rows=rows,
            ahead=ahead,
            permission=Permission(settings.kafka.topic_prefix + COMPARISON_RESULT),
            deferral=DeferralPolicy.from_settings(settings.retry),
            take_along=TAKE_ALONG,
            observer=observer,
        )
        ender = Ender(
            self._claims.finish, self._relay, lifecycle, settings.kafka, sha256_of=prompt_sha256, observer=observer
        )
        custodian = Custodian(
            self._custody, settings.ledger, in_charge=self._custody.hold_lock, end=ender.end, observer=observer
        )
        resender = Resender(
            custody=self._custody,
            outbox=outbox,
            relay=self._relay,
            settings=settings.worker,
            observer=observer,
        )
        alerts = CostAlerts(SpendThresholds(redis), lifecycle, in_charge=lambda: custodian.holds, observer=observer)
        snapshots = QueueSnapshots(
            self._stats,
            settings.enabled,
            mode=lambda: "redis" if custodian.holds else None,
            observer=observer,
        )
        duties: dict[str, Callable[[], Awaitable[None]]] = {
            "heartbeat": lambda: beat(self._claims, self.runner, provider, observer),
            "gate": lambda: self._gatekeeper.watch(self._waiting, self.runner.probe),
            "custodian": custodian.watch,
            "resender": resender.watch,
            "kafka recovery": lambda: recover([self._publisher, self._alone, self._best_effort]),
            "cost alerts": alerts.watch,
            "queue snapshots": snapshots.watch,
        }
        if self._adapting is not None:
            duties["adaptive limits"] = self._adapting.watch
        self._background = [loop.create_task(for_ever(name, duty, observer)) for name, duty in duties.items()]

    def is_ready(self) -> bool:
        """Whether it consumes, or its gate is closed on purpose, and it has a Kafka producer for its results."""
        if self._relay.outage is not None:
            return False
        return self._rows.is_attached or not self._gatekeeper.open

    async def warm_up(self) -> None:
        """To be called before anything is consumed, so that the first attempts lose no time to set-up, and a worker
        that cannot make its Kafka producer is not ready from the start.
        """
        await asyncio.to_thread(self._publisher.connect)
        await self._provider.warm_up()

    async def _waiting(self) -> bool:
        backlogs = await self._stats.backlogs([self._provider_name])
        return backlogs[self._provider_name].queued > 0

    async def close(self, drain_seconds: float) -> None:
        """After `runner.stop`: let calls finish, publish their results, and release locks and shares for others."""
        left = await self.runner.drain(drain_seconds)
        await cancel_and_wait(*self._background)
        self._gatekeeper.close()
        self._lifecycle.flush()
        unconfirmed = await self._relay.drain(FLUSH_SECONDS)
        self._observer(Note("worker.drained", "info", fields={"unfinished": left, "unconfirmed": unconfirmed}))
        await asyncio.to_thread(self._publisher.close, FLUSH_SECONDS)
        await asyncio.to_thread(self._alone.close, BEST_EFFORT_FLUSH_SECONDS)
        await self._relay.close(SETTLE_SECONDS)
        await asyncio.to_thread(self._best_effort.close, BEST_EFFORT_FLUSH_SECONDS)
        try:
            await self._custody.release_lock()
            await self._custody.release_resending()
            if self._adapting is not None:
                await self._adapting.leave()
            await self._claims.leave()
        except (RedisError, OSError) as error:
            self._observer(Note("worker.unannounced", "warning", fields={"error": type(error).__name__}))
        await self._ahead.close(SETTLE_SECONDS)
        await self._provider.close()
        await self._redis.aclose()


def _soon(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(function)
