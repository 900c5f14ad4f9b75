"""Results that Kafka has not confirmed. An entry leaves only by a delivery report."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from ledger import keys


class Entry(NamedTuple):
    entry_id: bytes
    queue_id: str
    topic: str
    key: str
    event: bytes


class Outbox:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def confirm(self, entry_ids: Sequence[bytes]) -> None:
        """Kafka has them: forget them."""
        if entry_ids:
            await self._redis.xdel(keys.OUTBOX, *entry_ids)

    async def older_than(self, now_ms: int, age: float, *, after: bytes | None = None, limit: int = 500) -> list[Entry]:
        """Entries written over `age` seconds before `now_ms` (Redis' clock: its ids begin with it), oldest first."""
        start = b"(" + after if after else b"-"
        rows: Any = await self._redis.xrange(keys.OUTBOX, min=start, max=max(0, now_ms - int(age * 1000)), count=limit)
        return [
            Entry(entry_id, fields[b"i"].decode(), fields[b"t"].decode(), fields[b"k"].decode(), fields[b"e"])
            for entry_id, fields in rows
        ]
