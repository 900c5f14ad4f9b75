"""Results that Kafka refused for good. Only an operator removes them: by replay or drop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from contracts.clock import from_ms
from ledger import keys
from ledger.scripts import Script
from ledger.scripts.arguments import ReplayHead

#: Dead letters that one script replays, to bound its time.
_BATCH = 100


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A result that Kafka refused for good, identified by the queue id of its request."""

    queue_id: str
    topic: str
    reason: str
    at: datetime
    size: int
    key: str = ""
    event: bytes = field(default=b"", repr=False)


class DeadLetters:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replay = Script(redis, "replay")

    async def count(self) -> int:
        return int(await self._redis.zcard(keys.DEAD))

    async def ids(self) -> list[str]:
        found: Any = await self._redis.zrange(keys.DEAD, 0, -1)
        return [queue_id.decode() for queue_id in found]

    async def newest(self, limit: int) -> list[DeadLetter]:
        """Up to `limit` dead letters without their events, newest first."""
        rows: Any = await self._redis.zrange(keys.DEAD, 0, limit - 1, desc=True, withscores=True)
        pipeline = self._redis.pipeline(transaction=False)
        for queue_id, _ in rows:
            pipeline.hmget(keys.dead(queue_id.decode()), "t", "r")
            pipeline.hstrlen(keys.dead(queue_id.decode()), "e")
        found = await pipeline.execute() if rows else []
        return [
            DeadLetter(queue_id.decode(), topic.decode(), (reason or b"").decode(), from_ms(int(at)), size)
            for (queue_id, at), (topic, reason), size in zip(rows, found[::2], found[1::2], strict=True)
            if topic is not None
        ]

    async def read(self, queue_id: str) -> DeadLetter | None:
        pipeline = self._redis.pipeline()
        pipeline.zscore(keys.DEAD, queue_id)
        pipeline.hmget(keys.dead(queue_id), "t", "r", "k", "e")
        at, (topic, reason, key, event) = await pipeline.execute()
        if at is None or topic is None or event is None:
            return None
        return DeadLetter(
            queue_id,
            topic.decode(),
            (reason or b"").decode(),
            from_ms(int(at)),
            len(event),
            (key or b"").decode(),
            event,
        )

    async def replay(self, queue_ids: Sequence[str], topic: str | None = None) -> list[str]:
        """Move them back to the outbox, due at once, each in one step; `topic` replaces their own if given. Returns the
        ids that were dead letters.
        """
        found: list[str] = []
        for start in range(0, len(queue_ids), _BATCH):
            batch = queue_ids[start : start + _BATCH]
            moved = await self._replay(*ReplayHead(topic or ""), *batch)
            found += [queue_id for queue_id, was in zip(batch, moved, strict=True) if was]
        return found

    async def drop(self, queue_ids: Sequence[str]) -> list[str]:
        """Delete them for good. Returns the ids that were dead letters."""
        pipeline = self._redis.pipeline()
        for queue_id in queue_ids:
            pipeline.delete(keys.dead(queue_id))
            pipeline.zrem(keys.DEAD, queue_id)
        done = await pipeline.execute() if queue_ids else []
        return [queue_id for queue_id, was in zip(queue_ids, done[::2], strict=True) if was]
