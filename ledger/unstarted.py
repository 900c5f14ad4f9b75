"""Requests that no worker holds, and the door's way to end one."""

from typing import NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from contracts.settings import LedgerSettings
from ledger import keys
from ledger.claims import Ending, finish_arguments, sums_unwritten
from ledger.request import StoredRequest
from ledger.scripts import Script
from ledger.unreadable import Unreadable
from telemetry.observer import Observer, silent

#: States in which no worker holds it: finish.lua ends these for anybody.
IDLE = frozenset({"queued", "deferred"})


class Found(NamedTuple):
    state: str
    #: None once it has ended: its text is gone then.
    stored: StoredRequest | None
    spent: bytes
    """What its claims have spent so far."""
    owner: str
    """Id of the API key that submitted it, or empty."""
    readable: bool = True
    """False: a newer version wrote it, or it is damaged."""


class Unstarted:
    def __init__(self, redis: Redis, settings: LedgerSettings, *, owner: str, observer: Observer = silent) -> None:
        self._redis = redis
        self._observer = observer
        self._unreadable = Unreadable(observer)
        self._owner = owner
        self._retention = settings.finished_retention_seconds
        self._finish = Script(redis, "finish")

    async def find(self, queue_id: UUID) -> Found | None:
        """None when nothing is known of it, or no longer."""
        both = self._redis.pipeline(transaction=True)
        both.hmget(keys.record(str(queue_id)), "s", "x", "w")
        both.get(keys.body(str(queue_id)))
        (state, spent, owner), body = await both.execute()
        if not state:
            return None
        stored = self._unreadable.read(str(queue_id).encode(), body) if body else None
        readable = stored is not None or not body
        return Found(state.decode(), stored, spent or b"", (owner or b"").decode(), readable)

    async def end(self, ending: Ending) -> bytes | None:
        """The id of its outbox entry; None where a worker took it, or it ended, in the meantime."""
        unwritten, entry_id = await self._finish(*finish_arguments(self._owner, self._retention, [ending]))
        sums_unwritten(self._observer, unwritten)
        return entry_id if entry_id is None else bytes(entry_id)
