"""The door's side of the ledger: admit requests, and read how much there is."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import to_ms, utcnow
from contracts.enums import LLMProviderType
from contracts.errors import IdempotencyConflict, QueueFull, Unavailable
from contracts.queues import broker_priority
from contracts.settings import LedgerSettings
from ledger import keys
from ledger.group import GroupCommit
from ledger.message import pointer, pointer_list
from ledger.once import AcceptedBefore, Once
from ledger.redis_clock import RedisClock
from ledger.request import StoredRequest
from ledger.scripts import Script
from telemetry.observer import Note, Observer, silent

#: Seconds after which a full ledger is worth another try: a backlog falls by its workers' speed, unknown to the door.
FULL_RETRY_SECONDS = 10.0

#: What admit.lua answers in place of a count.
_TOO_MANY, _CONFLICT, _LATE = -1, -3, -4

#: Time for an answer to come back and be read by a loop that may be busy, in seconds: what Redis gets to later than
#: this before its caller gives up is not admitted. At most a quarter of the time there is.
_WAY_BACK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Backlog:
    """Unfinished requests of one provider."""

    queued: int
    deferred: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """The whole ledger: unfinished requests and the bytes of their bodies, calls under way, unconfirmed results, dead
    letters.
    """

    unfinished: int
    bytes: int
    processing: int
    outbox: int
    dead: int


@dataclass(frozen=True, slots=True)
class Today:
    """Finished requests, and their cost in USD, since midnight UTC."""

    requests: int
    cost: float


Row = tuple[str | bytes | int, ...]


class Ledger:
    def __init__(
        self, redis: Redis, settings: LedgerSettings, observer: Observer = silent, *, timeout: float = 1.0
    ) -> None:
        self._redis = redis
        self._settings = settings
        self._observer = observer
        self._timeout = timeout
        self._script = Script(redis, "admit")
        self._group: GroupCommit[Row, int | bytes] = GroupCommit(self._admit)
        self._clock = RedisClock()

    async def admit(
        self,
        stored: StoredRequest,
        *,
        reply_to: str | None = None,
        once: Once | None = None,
        by: float | None = None,
    ) -> int:
        """Write the record and push its message, in one step shared with concurrent admits.

        Returns how many requests of the same provider are queued before it. A second admit of the same queue id changes
        nothing. Raises QueueFull, or Unavailable when Redis gave no answer in time; whether it was accepted, or will be
        when Redis gets to it, is unknown then. Not so with `by`, the moment (time.monotonic) at which its caller gives
        up: nothing is accepted later, however late Redis gets to it. With `once`: AcceptedBefore, IdempotencyConflict.
        """
        priority = stored.request.priority
        queue_id = str(stored.queue_id)
        row: Row = (
            queue_id,
            stored.provider.value,
            broker_priority(priority),
            pointer_list(stored.provider, priority),
            stored.model_dump_json(exclude_none=True).encode(),
            pointer(queue_id, stored.provider, priority),
            max(1, to_ms(stored.expires_at) - to_ms(utcnow())),
            reply_to or "",
            *(once or ("", "")),
        )
        try:
            async with asyncio.timeout(self._timeout):
                ahead = await (self._group.submit((*row, 0)) if by is None else self._submit_by(by, row))
        except (RedisError, OSError, TimeoutError) as error:
            self._observer(Note("ledger.unavailable", "warning", fields={"error": type(error).__name__}))
            raise Unavailable("the ledger does not answer; nothing was promised", retry_after=5.0) from error
        if isinstance(ahead, bytes):
            raise AcceptedBefore(UUID(ahead.decode()))
        if ahead == _CONFLICT:
            raise IdempotencyConflict("this Idempotency-Key came with another body before; nothing was accepted")
        if ahead < 0:
            self._observer(Note("ledger.full", "warning"))
            limit = "requests" if ahead == _TOO_MANY else "memory"
            raise QueueFull("Queue at capacity", retry_after=FULL_RETRY_SECONDS, limit=limit)
        return ahead

    async def _submit_by(self, by: float, row: Row) -> int | bytes:
        now = time.monotonic()
        by = min(by, now + self._timeout)
        by -= min(_WAY_BACK_SECONDS, (by - now) / 4)
        if not self._clock.is_fresh(now):
            seconds, micros = await self._redis.time()
            self._clock.observe(now, time.monotonic(), seconds * 1000 + micros // 1000)
        answer = await self._group.submit((*row, self._clock.at(by)))
        if answer == _LATE and time.monotonic() < by:
            # Redis' clock was set meanwhile. That answer has told how.
            answer = await self._group.submit((*row, self._clock.at(by)))
        if answer == _LATE:
            raise TimeoutError
        return answer

    async def _admit(self, rows: Sequence[Row]) -> list[int | bytes]:
        settings = self._settings
        max_bytes, keep_ms = int(settings.ledger_max_memory_mb * 1e6), settings.idempotency_ttl_seconds * 1000
        arguments: list[str | bytes | int] = [settings.ledger_max_size, max_bytes, keep_ms]
        for row in rows:
            arguments.extend(row)
        sent = time.monotonic()
        now_ms, *answers = await self._script(*arguments)
        self._clock.observe(sent, time.monotonic(), now_ms)
        return list(answers)

    async def recall(self, once: Once) -> UUID | None:
        """The queue id that the key was given, if it came with the same request. Raises Unavailable."""
        try:
            value: Any = await self._redis.get(keys.once(once.key))
        except (RedisError, OSError) as error:
            raise Unavailable("the ledger does not answer; nothing was promised", retry_after=5.0) from error
        before, queue_id = (value[:64].decode(), value[64:].decode()) if value else ("", "")
        return UUID(queue_id) if before == once.fingerprint else None

    async def state(self, queue_id: UUID) -> str | None:
        """The record's state, or None when nothing is known of it."""
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
        pipeline.get(keys.BYTES)
        pipeline.zcard(keys.LEASES)
        pipeline.xlen(keys.OUTBOX)
        pipeline.zcard(keys.DEAD)
        unfinished, size, processing, outbox, dead = await pipeline.execute()
        return Sizes(unfinished=unfinished, bytes=int(size or 0), processing=processing, outbox=outbox, dead=dead)

    async def today(self) -> Today:
        requests, cost = await self._redis.hmget(keys.day(utcnow().date()), "requests", "cost")
        return Today(requests=int(requests or 0), cost=float(cost or 0.0))

    async def workers(self) -> dict[LLMProviderType, int]:
        """Worker processes whose heartbeat is fresh, by provider."""
        seconds, micros = await self._redis.time()
        members: Any = await self._redis.zrangebyscore(keys.WORKERS, seconds * 1000 + micros // 1000, "+inf")
        alive: dict[LLMProviderType, int] = {}
        for member in members:
            provider = LLMProviderType(member.decode().split("|", 1)[0])
            alive[provider] = alive.get(provider, 0) + 1
        return alive

    async def ping(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout):
                return bool(await self._redis.ping())
        except (RedisError, OSError, TimeoutError):
            return False
