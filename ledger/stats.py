"""Counts of the ledger: backlogs, sizes, the day's totals, live workers; and the state of its Redis."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, known
from contracts.settings import LedgerSettings
from ledger import keys
from ledger.redis.preflight import durability
from ledger.scripts import Script
from ledger.watermarks import Watermarks

#: "refusing writes": out of memory or read-only, Redis still answers reads.
RedisState = Literal["up", "refusing writes", "down"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Unfinished requests of one provider."""

    queued: int
    deferred: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The whole ledger."""

    unfinished: int
    processing: int
    """Those of `unfinished` that a worker has claimed."""
    outbox: int
    """Results that Kafka has not confirmed."""
    bytes: int
    """Bytes of the bodies of unfinished requests and of the results in the outbox."""
    full: bool
    """Whether the next request would be refused."""
    dead: int
    usage: float
    """Used share of the ledger's high watermark, by count or by bytes, whichever is larger."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Results kept for redelivery. An expired one counts until it is the oldest."""

    results: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Today:
    """Finished requests, and their cost in USD, since midnight UTC."""

    requests: int
    cost: float


@dataclass(frozen=True, slots=True)
class Books:
    """Requests since the first start: counted where they are accepted and where they end, in the same step."""

    accepted: int
    ended: int
    unfinished: int
    base: int
    """The difference that the books begin with."""

    @property
    def difference(self) -> int:
        """0 if every request that was accepted has ended once or is unfinished. Above 0: requests that are missing;
        below 0: requests that ended twice.
        """
        return self.accepted - self.ended - self.unfinished - self.base


def watermarks_of(settings: LedgerSettings) -> Watermarks:
    return Watermarks.of(
        settings.ledger_max_size,
        settings.ledger_max_memory_mb,
        low=settings.ledger_low_watermark,
        high=settings.ledger_high_watermark,
    )


class LedgerStats:
    """Methods raise RedisError or OSError if Redis does not answer, except `redis_state`."""

    def __init__(self, redis: Redis, settings: LedgerSettings, *, timeout: float) -> None:
        """`timeout`: seconds that `redis_state` waits for Redis."""
        self._redis = redis
        self._timeout = timeout
        self._marks = watermarks_of(settings)
        self._books = Script(redis, "books")

    async def state(self, queue_id: UUID) -> str | None:
        """The state of the request's record, or None if there is no record."""
        value: Any = await self._redis.hget(keys.record(str(queue_id)), "s")
        return value.decode() if value else None

    async def backlogs(self, providers: Sequence[LLMProviderType]) -> dict[LLMProviderType, Backlog]:
        pipeline = self._redis.pipeline(transaction=False)
        for provider in providers:
            pipeline.zcard(keys.queued(provider.value))
            pipeline.zcard(keys.deferred(provider.value))
        counts = await pipeline.execute()
        return {
            provider: Backlog(queued=counts[2 * i], deferred=counts[2 * i + 1]) for i, provider in enumerate(providers)
        }

    async def sizes(self) -> Sizes:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zcard(keys.EXPIRY)
        pipeline.zcard(keys.LEASES)
        pipeline.xlen(keys.OUTBOX)
        pipeline.mget(keys.BYTES, keys.REFUSING)
        pipeline.zcard(keys.DEAD)
        unfinished, processing, outbox, (kept, refusing), dead = await pipeline.execute()
        size = int(_number(kept))
        full = self._marks.refuse(refusing is not None, unfinished + outbox, size, 0)
        usage = self._marks.usage(unfinished + outbox, size)
        return Sizes(
            unfinished=unfinished, processing=processing, outbox=outbox, bytes=size, full=full, dead=dead, usage=usage
        )

    async def kept(self) -> Kept:
        """Counts nothing if a key is damaged."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.xlen(keys.RESULTS)
        pipeline.get(keys.RESULTS_BYTES)
        results, size = await pipeline.execute(raise_on_error=False)
        for reply in (results, size):
            if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                raise reply
        return Kept(
            results=results if isinstance(results, int) else 0,
            bytes=int(_number(None if isinstance(size, ResponseError) else size)),
        )

    async def books(self) -> Books:
        accepted, ended, unfinished, base = await self._books()
        return Books(accepted=accepted, ended=ended, unfinished=unfinished, base=base)

    async def today(self, owner: str | None = None) -> Today:
        """Today's totals, of all requests or of those that the API key with id `owner` submitted."""
        day = utcnow().date()
        if owner is None:
            requests, cost = await self._redis.hmget(keys.day(day), "requests", "cost")
        else:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hget(keys.day(day), f"requests.{owner}")
            pipeline.hget(keys.spent(day), owner)
            requests, cost = await pipeline.execute()
        return Today(requests=int(_number(requests)), cost=_number(cost))

    async def workers(self) -> dict[LLMProviderType, int]:
        """Worker processes whose heartbeat is fresh, by provider."""
        seconds, micros = await self._redis.time()
        members: Any = await self._redis.zrangebyscore(keys.WORKERS, seconds * 1000 + micros // 1000, "+inf")
        alive: dict[LLMProviderType, int] = {}
        for member in members:
            provider = known(LLMProviderType, member.decode(errors="replace").split("|", 1)[0])
            if provider is not None:
                alive[provider] = alive.get(provider, 0) + 1
        return alive

    async def durability(self) -> list[str]:
        """Warnings about settings of Redis that may lose data, one line each."""
        return await durability(self._redis)

    async def redis_state(self) -> RedisState:
        """Tested with SET … XX on a key that never exists: it changes nothing and is refused like any other write."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._redis.set(keys.NOTHING, b"", xx=True)
        except ResponseError:
            return "refusing writes"
        except (RedisError, OSError, TimeoutError):
            return "down"
        return "up"


def _number(value: bytes | str | None) -> float:
    """A damaged sum counts as 0."""
    try:
        number = float(value or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
