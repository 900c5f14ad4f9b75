"""Requests that no worker holds: how the API finds and ends one (a cancellation)."""

from typing import NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from contracts.settings import LedgerSettings
from ledger import keys
from ledger.claims import Completion, finish_arguments, sums_unwritten
from ledger.request import RequestReader, StoredRequest
from ledger.scripts import Script
from telemetry.observer import Observer, silent

#: States in which no worker holds the request: any process may end it (CompletedBy.UNCLAIMED in finish.lua).
UNCLAIMED_STATES = frozenset({"queued", "deferred"})


class Found(NamedTuple):
    state: str
    #: None once the request has ended (its body is removed then), or if `readable` is False.
    stored: StoredRequest | None
    spent: bytes
    """Attempts and cost of its claims so far, encoded."""
    owner: str
    """Id of the API key that submitted it, or empty."""
    readable: bool = True
    """False: a newer version wrote the record, or it is damaged."""


class UnclaimedRequests:
    def __init__(self, redis: Redis, settings: LedgerSettings, *, owner: str, observer: Observer = silent) -> None:
        self._redis = redis
        self._observer = observer
        self._reader = RequestReader(observer)
        self._owner = owner
        self._retention = settings.finished_retention_seconds
        self._finish = Script(redis, "finish")

    async def find(self, queue_id: UUID) -> Found | None:
        """None if there is no record of it, or no longer."""
        both = self._redis.pipeline(transaction=True)
        both.hmget(keys.record(str(queue_id)), "s", "x", "w")
        both.get(keys.body(str(queue_id)))
        (state, spent, owner), body = await both.execute()
        if not state:
            return None
        stored = self._reader.read(str(queue_id).encode(), body) if body else None
        readable = stored is not None or not body
        return Found(state.decode(), stored, spent or b"", (owner or b"").decode(), readable)

    async def end(self, ending: Completion) -> bytes | None:
        """End the request. Returns the id of its outbox entry, or None if a worker claimed it or it ended meanwhile."""
        unwritten, entry_id = await self._finish(*finish_arguments(self._owner, self._retention, [ending]))
        sums_unwritten(self._observer, unwritten)
        return entry_id if entry_id is None else bytes(entry_id)
