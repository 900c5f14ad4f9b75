"""Builds everything that a worker process works with, once."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from completion.delivery import Delivery
from contracts.enums import LLMProviderType
from contracts.settings import Settings
from contracts.topics import COMPARISON_RESULT
from guard.adaptive.exchange import LimitExchange
from guard.breaker import Breaker
from guard.gate import Gate
from guard.hold import Holds
from guard.limits import RateLimiter, make_limiter
from guard.prefetch import PrefetchingLimiter
from guard.retry import RetryPolicy
from guard.slow_start import SlowStart
from ledger.claims import Claims
from ledger.parked import Parked
from ledger.redis.connection import connect
from ledger.redis.tasks import cancel_and_wait
from ledger.stats import LedgerStats
from maintenance.build import build
from providers.factory import make_provider
from tasks.call.adaptive_duty import AdaptiveDuty
from tasks.call.judge import Judge
from tasks.call.permit_queue import PermitQueue, SharedPermits
from tasks.flower_events import FlowerEvents
from tasks.gate.gatekeeper import Gatekeeper
from tasks.heartbeat import beat
from tasks.intake import Intake
from tasks.releaser import Releaser
from tasks.runner import Runner
from tasks.slots import Slots
from telemetry.observer import Note, Observer
from telemetry.outage import for_ever

#: Timeout of Redis in a worker, in seconds. Generous: no client waits for it, and the verdicts written are paid for.
REDIS_SECONDS = 5.0

#: A lease may outlast its calls' deadline by this many seconds, so that the verdict can be written to the ledger.
REST_SECONDS = 15.0

#: Most requests that one Celery task claims: its own, and further ones of its queue for other free slots.
TAKE_ALONG = 16

#: Longest wait for Kafka's last delivery reports on shutdown, in seconds. Events without one stay in the outbox.
FLUSH_SECONDS = 5.0

#: The same for the last best-effort events, for reporting undelivered results to the ledger, and for returning unused
#: reservations to the rate limits.
SHORT_SECONDS = 1.0


class Runtime:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        provider: LLMProviderType,
        slots: int,
        owner: str,
        flower: FlowerEvents,
        observer: Observer,
    ) -> None:
        address = settings.redis.address()
        redis = connect(address.url, timeout=REDIS_SECONDS, tls=address.tls)
        cap = settings.retry.call_deadline_seconds + REST_SECONDS
        self._redis = redis
        self._observer = observer
        self._provider_name = provider
        self._flower = flower
        self._stats = LedgerStats(redis, settings.ledger, timeout=REDIS_SECONDS)
        self._claims = Claims(
            redis, provider, settings.ledger, owner=owner, cap=cap, holds=settings.hold, observer=observer
        )
        self._delivery = delivery = Delivery(redis, settings, observer)
        self._maintenance = maintenance = build(
            redis,
            settings,
            delivery,
            self._stats,
            owner=owner,
            write=self._claims.finish,
            flower=flower,
            observer=observer,
        )
        breaker = Breaker(redis, provider, settings, observer)
        limiter = make_limiter(redis, provider, settings, observer)
        self._ahead = ahead = PrefetchingLimiter(limiter)
        pace = SlowStart(slots, settings.retry.call_deadline_seconds)
        self._gatekeeper = Gatekeeper(
            provider,
            gate=Gate(redis, provider, observer),
            breaker=breaker,
            shared_holds=Holds(redis, provider, settings.hold, observer),
            parked=Parked(redis, provider),
            flower=flower,
            lifecycle=delivery.lifecycle,
            observer=observer,
            probe_seconds=cap,
            automatic=settings.hold.hold == "on",
            # No slow start under our own rate limit: it spaces calls already, and closes the gate now and then.
            reopened=(lambda: None) if isinstance(limiter, RateLimiter) else pace.restart,
        )
        places = Slots(slots)
        flower.slots, flower.in_flight = slots, lambda: places.count - places.free
        permits = PermitQueue()
        self._adaptive: AdaptiveDuty | None = None
        if settings.worker.adaptive_concurrency:
            permits = shared = SharedPermits(places)
            self._adaptive = AdaptiveDuty(LimitExchange(redis, provider, owner), shared, provider, slots, observer)
        flower.on_start = lambda: loop.call_soon_threadsafe(self._gatekeeper.consumer_started)
        self._provider = make_provider(provider, settings, observer)
        judge = Judge(
            self._provider,
            limiter=ahead,
            breaker=breaker,
            gatekeeper=self._gatekeeper,
            pace=pace,
            permits=permits,
            policy=RetryPolicy.from_settings(settings.retry),
            lifecycle=delivery.lifecycle,
            observer=observer,
        )
        runner = Runner(
            judge=judge,
            finisher=maintenance.finisher,
            releaser=Releaser(self._claims, self._gatekeeper, delivery.lifecycle, flower, observer),
            gatekeeper=self._gatekeeper,
            own_topic=settings.kafka.topic_prefix + COMPARISON_RESULT,
            lifecycle=delivery.lifecycle,
            settings=settings.retry,
            observer=observer,
        )
        self.intake = Intake(
            claims=self._claims,
            slots=places,
            runner=runner,
            gatekeeper=self._gatekeeper,
            flower=flower,
            ahead=ahead,
            take_along=TAKE_ALONG,
            observer=observer,
        )
        duties: dict[str, Callable[[], Awaitable[None]]] = {
            "heartbeat": lambda: beat(self._claims, self.intake, provider, observer),
            "gate": lambda: self._gatekeeper.watch(self._waiting, self.intake.probe),
            **maintenance.duties,
        }
        if self._adaptive is not None:
            duties["adaptive limits"] = self._adaptive.watch
        self._background = [loop.create_task(for_ever(name, duty, observer)) for name, duty in duties.items()]

    def is_ready(self) -> bool:
        """Whether it consumes, or its gate is closed on purpose, and it has a Kafka producer for its results."""
        if self._delivery.relay.outage is not None:
            return False
        return self._flower.is_attached or not self._gatekeeper.open

    async def warm_up(self) -> None:
        """To be called before anything is consumed, so that the first attempts lose no time to set-up, and a worker
        that cannot make its Kafka producer is not ready from the start.
        """
        await asyncio.to_thread(self._delivery.connect)
        await self._provider.warm_up()

    async def _waiting(self) -> bool:
        backlogs = await self._stats.backlogs([self._provider_name])
        return backlogs[self._provider_name].queued > 0

    async def close(self, drain_seconds: float) -> None:
        """After `intake.stop`: let calls finish, publish their results, and release locks and shares for others."""
        left = await self.intake.drain(drain_seconds)
        await cancel_and_wait(*self._background)
        self._gatekeeper.close()
        unconfirmed = await self._delivery.drain(FLUSH_SECONDS)
        self._observer(Note("worker.drained", "info", fields={"unfinished": left, "unconfirmed": unconfirmed}))
        await self._delivery.close(FLUSH_SECONDS, short=SHORT_SECONDS)
        try:
            await self._maintenance.leave()
            if self._adaptive is not None:
                await self._adaptive.exchange.leave()
            await self._claims.leave()
        except (RedisError, OSError) as error:
            self._observer(Note("worker.unannounced", "warning", fields={"error": type(error).__name__}))
        await self._ahead.close(SHORT_SECONDS)
        await self._provider.close()
        await self._redis.aclose()
