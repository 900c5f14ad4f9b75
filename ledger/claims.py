"""The worker's side of the ledger: claim, renew, finish, release, defer. Each claim gives its owner one lease."""

import itertools
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, QueueStatus
from contracts.queues import list_names, queue_name
from contracts.settings import HoldSettings, LedgerSettings
from ledger import keys
from ledger.message import pointer, pointer_list
from ledger.redis.group_commit import GroupCommit
from ledger.request import RequestReader, StoredRequest
from ledger.scripts import Piggyback, Script
from telemetry.observer import Note, Observer, silent

#: Heartbeats per lease. A process counts as live for as long as a lease after each heartbeat.
HEARTBEATS_PER_LEASE = 3


class Lease(NamedTuple):
    """One claim of one request. After a worker was suspended it may hold a later claim of the same request."""

    queue_id: str
    fencing_token: int
    """Number of the claim among its worker's claims: the fencing token."""
    until: float
    """The lease is never renewed past this time (time.monotonic)."""


class Claimed(NamedTuple):
    stored: StoredRequest
    tries: int
    lapses: int
    waited: float
    """Seconds since its message was last pushed."""
    spent: bytes = b""
    """Attempts and cost so far, as the last claim recorded them: see Release."""
    may_spend: bool = True
    """Its owner has not reached the daily cost limit."""
    topics: str = ""
    """Callback-topic patterns of its owner's API key, comma-separated; empty: any."""
    until: float = math.inf
    fencing_token: int = 0
    """Number of the claim among its worker's claims: distinguishes it from an earlier claim of the same request."""

    claimed: float = -math.inf
    """Time of the claim (time.monotonic)."""

    @property
    def lease(self) -> Lease:
        return Lease(str(self.stored.queue_id), self.fencing_token, self.until)


class LostLeases(NamedTuple):
    """Leases that a worker no longer has."""

    taken: list[Lease]
    """The request has another claim, or is queued or deferred again."""
    ended: list[Lease]
    """The request has ended, by this worker just now or by another one."""


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


@dataclass(frozen=True, slots=True)
class Release:
    """A released or deferred request: queued again at once or `delay` seconds later, at the front or the back."""

    stored: StoredRequest
    delay: float = 0.0
    counts: bool = False
    front: bool = False
    spent: bytes = b""
    """What the next claim has to know (attempts, cost); empty: as stored before."""
    fencing_token: int | None = None
    """Number of the claim that is released; None: any claim of this worker."""
    parked: str = ""
    """The model whose hold must end first, for at most `delay` seconds. That time does not count towards the request's
    time to live."""


class Claims:
    """The leases of one owner (a worker process) on one provider's requests."""

    def __init__(
        self,
        redis: Redis,
        provider: LLMProviderType,
        settings: LedgerSettings,
        *,
        owner: str,
        cap: float,
        holds: HoldSettings | None = None,
        observer: Observer = silent,
    ) -> None:
        """`cap`: seconds after a claim past which its lease is never renewed: the call's deadline and a margin."""
        self._redis = redis
        self._provider = provider
        self._lists = list_names(queue_name(provider))
        self._lease = int(settings.lease_seconds * 1000)
        self._cap = int(cap * 1000)
        self._retention = settings.finished_retention_seconds
        self.owner = owner
        self._renewed = time.monotonic()
        self._numbers = itertools.count(1)
        #: Numbers of claims that Redis did not answer, by the queue id that was asked for.
        self._unanswered: dict[str | None, int] = {}
        self._observer = observer
        self._reader = RequestReader(observer)
        self._most_added = hold_ms(holds)
        self._claim = Script(redis, "claim")
        self._renew = Script(redis, "renew")
        self._finish = Script(redis, "finish")
        self._requeue = Script(redis, "requeue")
        self._endings: GroupCommit[Completion, bytes | None] = GroupCommit(
            self._finish_all, weigh=lambda ending: len(ending.event)
        )

    @property
    def heartbeat_seconds(self) -> float:
        return self._lease / 1000 / HEARTBEATS_PER_LEASE

    def is_fresh(self, lease: Lease) -> bool:
        """True if claimed or renewed less than a lease ago: it is ours, unless `renew` has reported it as gone."""
        claimed = lease.until - self._cap / 1000
        return time.monotonic() - max(self._renewed, claimed) < self._lease / 1000

    async def claim(self, queue_id: str | None, *, more: int, piggyback: Piggyback | None = None) -> list[Claimed]:
        """Lease `queue_id` and up to `more` others of the same queue; those that cannot be leased are left out.

        If Redis gives no answer, the next call for the same `queue_id` repeats the claim's number: if the first call
        did lease requests, it returns those and leases no others. `piggyback` is sent in the same round trip.
        """
        spent_today = keys.spent(utcnow().date())
        asked = time.monotonic()
        until = asked + self._cap / 1000
        number, provider = self._unanswered.pop(queue_id, None) or next(self._numbers), self._provider.value
        arguments = (self.owner, number, self._lease, self._cap, more, provider, queue_id or "", spent_today)
        try:
            rows = await self._claim(*arguments, self._most_added, *self._lists, piggyback=piggyback)
        except (RedisError, OSError):
            self._unanswered[queue_id] = number
            raise
        found = []
        for claimed_id, body, tries, lapses, waited, spent, *owned in rows:
            stored = self._reader.read(claimed_id, body)
            if stored is not None:  # an unreadable one's lease lapses, and another worker may be able to read it
                limits = _limits(*owned)
                found.append(
                    Claimed(stored, int(tries), int(lapses), int(waited) / 1000, spent, *limits, until, number, asked)
                )
        return found

    async def renew(self, leased: Sequence[Lease], held: Collection[str]) -> LostLeases:
        """Heartbeat: renew `leased`, and mark the pointers `held` as not lost. Returns the leases no longer ours."""
        asked = time.monotonic()
        rows = [part for one in leased for part in (one.queue_id, one.fencing_token, _ms_left(one, asked))]
        gone = await self._renew(self.owner, self._lease, self._provider.value, self._lease, len(leased), *rows, *held)
        self._renewed = asked
        return LostLeases(*([leased[place - 1] for place in places] for places in gone))

    async def finish(self, ending: Completion) -> bytes | None:
        """End a request; concurrent endings share a round trip.

        Returns the id of its outbox entry, or None if it had ended already or this worker may not end it.
        """
        return await self._endings.submit(ending)

    async def _finish_all(self, endings: Sequence[Completion]) -> list[bytes | None]:
        unwritten, *entry_ids = await self._finish(*finish_arguments(self.owner, self._retention, endings))
        sums_unwritten(self._observer, unwritten)
        return list(entry_ids)

    async def give_back(self, returns: Sequence[Release]) -> int:
        """Release or defer leased requests. Returns how many were still ours."""
        arguments: list[str | bytes | float] = [self.owner]
        for r in returns:
            arguments.extend(_row(r))
        return int(await self._requeue(*arguments)) if returns else 0

    async def leave(self) -> None:
        """Remove this process from the live workers at once, instead of when its last heartbeat is too old."""
        await self._redis.zrem(keys.WORKERS, f"{self._provider.value}|{self.owner}")

    async def push_again(self, queue_id: str, priority: int) -> None:
        """Push the pointer of a queued request again that was fetched from the broker and not claimed."""
        await self._requeue(
            self.owner,
            queue_id,
            "queued",
            pointer_list(self._provider, priority),
            pointer(queue_id, self._provider, priority),
            "front",
            0,
            0,
            b"",
            "",
            "",
        )


def finish_arguments(owner: str, retention: int, endings: Sequence[Completion]) -> list[str | bytes | int]:
    """Arguments of finish.lua. A request that was claimed less than `retention` seconds ago must still have its record,
    even if another process has ended it since.
    """
    today, now = utcnow().date(), time.monotonic()
    arguments: list[str | bytes | int] = [owner, retention, keys.day(today), keys.spent(today)]
    for e in endings:
        forbidden = "1" if e.forbidden else ""
        row = (e.queue_id, e.state.value, e.by.value, e.topic, e.key, e.event, _usd(e.cost), forbidden)
        must_be_here = e.claimed is not None and now - e.claimed < retention
        arguments.extend((*row, _fence(e.fencing_token), "1" if must_be_here else ""))
    return arguments


def _usd(cost: float) -> str:
    """In USD. A cost that is not a finite number above zero counts as 0: see finish.lua."""
    return f"{cost:.9f}" if math.isfinite(cost) and cost > 0 else "0"


def hold_ms(holds: HoldSettings | None) -> int:
    """The most that holds may add to a request's time to live, in ms."""
    return int((holds or HoldSettings()).hold_max_seconds * 1000)


def sums_unwritten(observer: Observer, count: int) -> None:
    """Report sums (cost, counts) that finish.lua could not update, because a key is damaged. The requests ended."""
    if count:
        observer(Note("ledger.sums_unwritten", "error", value=count))


def _ms_left(lease: Lease, now: float) -> int:
    return max(0, int(min(lease.until - now, 1e9) * 1000))


def _fence(number: int | None) -> str:
    return "" if number is None else str(number)


def _limits(may_spend: int = 1, topics: bytes = b"") -> tuple[bool, str]:
    return bool(may_spend), topics.decode()


def _row(r: Release) -> tuple[str | bytes | int, ...]:
    priority, queue_id = r.stored.request.priority, str(r.stored.queue_id)
    return (
        queue_id,
        "processing",
        pointer_list(r.stored.provider, priority),
        pointer(queue_id, r.stored.provider, priority),
        "front" if r.front else "back",
        int(r.counts),
        int(r.delay * 1000),
        r.spent,
        _fence(r.fencing_token),
        r.parked,
    )
