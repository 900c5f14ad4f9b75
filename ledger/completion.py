"""How a request ends: its completion record, and ending one that no worker holds (a cancellation)."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from redis.asyncio import Redis

from contracts.clock import utcnow
from contracts.enums import QueueStatus
from contracts.settings import LedgerSettings
from ledger import keys
from ledger.request import RequestReader, StoredRequest
from ledger.scripts import Script
from ledger.scripts.arguments import FinishHead, FinishRow
from telemetry.observer import Note, Observer, silent


class CompletedBy(StrEnum):
    """Who may end a request: see finish.lua."""

    ANY = "any"
    HOLDER = "own"
    UNCLAIMED = "idle"


@dataclass(frozen=True, slots=True)
class Completion:
    """How a request ends: its terminal state and its result event."""

    queue_id: str
    state: QueueStatus
    by: CompletedBy
    topic: str
    key: str
    event: bytes
    cost: float
    forbidden: bool = False
    """Its owner may not publish to the topic (any more): the event goes to the dead letters."""
    fencing_token: int | None = None
    """Number of the claim that may end it, with `CompletedBy.HOLDER`; None: any claim of this worker."""
    claimed: float | None = None
    """When the request was claimed (time.monotonic); None: it was not."""
    code: str = "-"
    """Error code of the event; "-": it has a verdict."""


#: States in which no worker holds the request: any process may end it (CompletedBy.UNCLAIMED in finish.lua).
UNCLAIMED_STATES = frozenset({"queued", "deferred"})


class FoundRequest(NamedTuple):
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
        self._settings = settings
        self._finish = Script(redis, "finish")

    async def find(self, queue_id: UUID) -> FoundRequest | None:
        """None if there is no record of it, or no longer."""
        both = self._redis.pipeline(transaction=True)
        both.hmget(keys.record(str(queue_id)), "s", "x", "w")
        both.get(keys.body(str(queue_id)))
        (state, spent, owner), body = await both.execute()
        if not state:
            return None
        stored = self._reader.read(str(queue_id).encode(), body) if body else None
        readable = stored is not None or not body
        return FoundRequest(state.decode(), stored, spent or b"", (owner or b"").decode(), readable)

    async def end(self, completion: Completion) -> bytes | None:
        """Complete the request. Returns the id of its outbox entry, or None if a worker claimed it or it ended
        meanwhile.
        """
        unwritten, entry_id = await self._finish(*finish_arguments(self._owner, self._settings, [completion]))
        report_unwritten_sums(self._observer, unwritten)
        return entry_id if entry_id is None else bytes(entry_id)


def finish_arguments(
    owner: str, settings: LedgerSettings, completions: Sequence[Completion]
) -> list[str | bytes | int]:
    """Arguments of finish.lua. The record of a request that was claimed less than the retention ago must still exist,
    even if another process has completed the request since.
    """
    today, now, retention = utcnow().date(), time.monotonic(), settings.finished_retention_seconds
    head = FinishHead(
        owner,
        retention,
        day_key=keys.day(today),
        spent_key=keys.spent(today),
        keep_ms=settings.results_keep_seconds * 1000,
        keep_bytes=int(settings.results_max_memory_mb * 1_000_000),
    )
    arguments: list[str | bytes | int] = [*head]
    for one in completions:
        arguments += FinishRow(
            id=one.queue_id,
            state=one.state.value,
            by=one.by.value,
            topic=one.topic,
            message_key=one.key,
            event=one.event,
            cost=_usd(one.cost),
            forbidden="1" if one.forbidden else "",
            fencing_token=token(one.fencing_token),
            must_exist="1" if one.claimed is not None and now - one.claimed < retention else "",
            code=one.code,
        )
    return arguments


def _usd(cost: float) -> str:
    """In USD. A cost that is not a finite number above zero counts as 0: see finish.lua."""
    return f"{cost:.9f}" if math.isfinite(cost) and cost > 0 else "0"


def token(fencing_token: int | None) -> str:
    return "" if fencing_token is None else str(fencing_token)


def report_unwritten_sums(observer: Observer, count: int) -> None:
    """Report sums (cost, counts) that finish.lua could not update, because a key is damaged. The requests ended."""
    if count:
        observer(Note("ledger.sums_unwritten", "error", value=count))
