"""The worker's side of the ledger: claim, renew, finish, give back, defer. A claim is a lease of one owner."""

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
from ledger.group import GroupCommit
from ledger.message import pointer, pointer_list
from ledger.request import StoredRequest
from ledger.scripts import Beside, Script
from ledger.unreadable import Unreadable
from telemetry.observer import Note, Observer, silent

#: Heartbeats that a lease outlives when they fail, and the process' presence likewise.
HEARTBEATS_PER_LEASE = 3


class Lease(NamedTuple):
    """One claim of one request. A worker that stood still may hold another one of the same request by now."""

    queue_id: str
    number: int
    """Of the claim, among its worker's."""
    until: float
    """It is never renewed past this moment (time.monotonic)."""


class Claimed(NamedTuple):
    stored: StoredRequest
    tries: int
    lapses: int
    waited: float
    """Seconds since its message was last pushed."""
    spent: bytes = b""
    """What the last claim said of it, see Return."""
    may_spend: bool = True
    """Its owner has not reached the day's limit."""
    topics: str = ""
    """Callback-topic patterns of its owner, as its key has them; empty: any."""
    until: float = math.inf
    number: int = 0
    """Of the claim, among its worker's: tells it from an earlier one of the same request."""

    claimed: float = -math.inf
    """When (time.monotonic)."""

    @property
    def lease(self) -> Lease:
        return Lease(str(self.stored.queue_id), self.number, self.until)


class Gone(NamedTuple):
    """Leases that a worker had."""

    taken: list[Lease]
    """Another holds them, or may."""
    ended: list[Lease]
    """By this worker just now, or by another."""


class Who(StrEnum):
    """Who may end a request: see finish.lua."""

    ANY = "any"
    OWN = "own"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends: its terminal state and the one event that tells it."""

    queue_id: str
    state: QueueStatus
    who: Who
    topic: str
    key: str
    event: bytes
    cost: float
    forbidden: bool = False
    """Its owner may not publish to the topic (any more): the event goes to the dead letters."""
    number: int | None = None
    """Of the claim that it ends, where only its holder may; None: whichever claim of this worker."""
    claimed: float | None = None
    """When it was claimed (time.monotonic), where it was."""


@dataclass(frozen=True, slots=True)
class Return:
    """A request given back: at once or `delay` seconds later, in front of its queue or behind it."""

    stored: StoredRequest
    delay: float = 0.0
    counts: bool = False
    front: bool = False
    spent: bytes = b""
    """Whatever the next claim has to know; empty: as before."""
    number: int | None = None
    """Of the claim that is given back; None: whichever claim of this worker."""
    parked: str = ""
    """The model whose hold it waits for, for `delay` seconds at most: that time does not count towards its time to
    live."""


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
        """`cap`: seconds from a claim past which its lease is never renewed: the call's deadline, and a rest."""
        self._redis = redis
        self._provider = provider
        self._lists = list_names(queue_name(provider))
        self._lease = int(settings.lease_seconds * 1000)
        self._cap = int(cap * 1000)
        self._retention = settings.finished_retention_seconds
        self.owner = owner
        self._renewed = time.monotonic()
        self._numbers = itertools.count(1)
        #: Of claims that Redis gave no answer to, by what was asked for.
        self._unanswered: dict[str | None, int] = {}
        self._observer = observer
        self._unreadable = Unreadable(observer)
        self._most_added = hold_ms(holds)
        self._claim = Script(redis, "claim")
        self._renew = Script(redis, "renew")
        self._finish = Script(redis, "finish")
        self._requeue = Script(redis, "requeue")
        self._endings: GroupCommit[Ending, bytes | None] = GroupCommit(
            self._finish_all, weigh=lambda ending: len(ending.event)
        )

    @property
    def heartbeat_seconds(self) -> float:
        return self._lease / 1000 / HEARTBEATS_PER_LEASE

    def is_fresh(self, lease: Lease) -> bool:
        """It was claimed, or renewed, less than a lease ago: it is ours, unless it was told as lost."""
        claimed = lease.until - self._cap / 1000
        return time.monotonic() - max(self._renewed, claimed) < self._lease / 1000

    async def claim(self, queue_id: str | None, *, more: int, beside: Beside | None = None) -> list[Claimed]:
        """Lease `queue_id` and up to `more` others of the same queue; those that are not to be had are left out.

        Where Redis gave no answer, the next call for the same `queue_id` asks by the same number: it tells what the
        first one leased, and leases nothing besides. `beside` travels with it.
        """
        spent_today = keys.spent(utcnow().date())
        asked = time.monotonic()
        until = asked + self._cap / 1000
        number, provider = self._unanswered.pop(queue_id, None) or next(self._numbers), self._provider.value
        arguments = (self.owner, number, self._lease, self._cap, more, provider, queue_id or "", spent_today)
        try:
            rows = await self._claim(*arguments, self._most_added, *self._lists, beside=beside)
        except (RedisError, OSError):
            self._unanswered[queue_id] = number
            raise
        found = []
        for claimed_id, body, tries, lapses, waited, spent, *owned in rows:
            stored = self._unreadable.read(claimed_id, body)
            if stored is not None:  # its lease lapses otherwise, and another worker may be able to read it
                limits = _limits(*owned)
                found.append(
                    Claimed(stored, int(tries), int(lapses), int(waited) / 1000, spent, *limits, until, number, asked)
                )
        return found

    async def renew(self, leased: Sequence[Lease], held: Collection[str]) -> Gone:
        """Heartbeat: renew `leased`; keep the pointers `held` from being taken for lost. Returns what is not ours."""
        asked = time.monotonic()
        rows = [part for one in leased for part in (one.queue_id, one.number, _ms_left(one, asked))]
        gone = await self._renew(self.owner, self._lease, self._provider.value, self._lease, len(leased), *rows, *held)
        self._renewed = asked
        return Gone(*([leased[place - 1] for place in places] for places in gone))

    async def finish(self, ending: Ending) -> bytes | None:
        """End a request; concurrent endings share a round trip.

        Returns the id of its outbox entry, or None where it had ended already, or was not ours to end.
        """
        return await self._endings.submit(ending)

    async def _finish_all(self, endings: Sequence[Ending]) -> list[bytes | None]:
        unwritten, *entry_ids = await self._finish(*finish_arguments(self.owner, self._retention, endings))
        sums_unwritten(self._observer, unwritten)
        return list(entry_ids)

    async def give_back(self, returns: Sequence[Return]) -> int:
        """Give leased requests back. Returns how many were still ours."""
        arguments: list[str | bytes | float] = [self.owner]
        for r in returns:
            arguments.extend(_row(r))
        return int(await self._requeue(*arguments)) if returns else 0

    async def leave(self) -> None:
        """Tell at once that the process is gone; a heartbeat that grows old would tell it later."""
        await self._redis.zrem(keys.WORKERS, f"{self._provider.value}|{self.owner}")

    async def push_again(self, queue_id: str, priority: int) -> None:
        """Put back the pointer of a queued request that was taken off the broker and not claimed."""
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


def finish_arguments(owner: str, retention: int, endings: Sequence[Ending]) -> list[str | bytes | int]:
    """Of finish.lua. The record of a request that was claimed less than `retention` seconds ago is still there, whoever
    ended it meanwhile.
    """
    today, now = utcnow().date(), time.monotonic()
    arguments: list[str | bytes | int] = [owner, retention, keys.day(today), keys.spent(today)]
    for e in endings:
        forbidden = "1" if e.forbidden else ""
        row = (e.queue_id, e.state.value, e.who.value, e.topic, e.key, e.event, _usd(e.cost), forbidden)
        must_be_here = e.claimed is not None and now - e.claimed < retention
        arguments.extend((*row, _fence(e.number), "1" if must_be_here else ""))
    return arguments


def _usd(cost: float) -> str:
    """A cost that is no finite number above zero is none: see finish.lua."""
    return f"{cost:.9f}" if math.isfinite(cost) and cost > 0 else "0"


def hold_ms(holds: HoldSettings | None) -> int:
    """How much time holds may add to a request's time to live, in ms."""
    return int((holds or HoldSettings()).hold_max_seconds * 1000)


def sums_unwritten(observer: Observer, count: int) -> None:
    """finish.lua ended its requests, and could not add up what they cost or how many there are: a key is damaged."""
    if count:
        observer(Note("ledger.sums_unwritten", "error", value=count))


def _ms_left(lease: Lease, now: float) -> int:
    return max(0, int(min(lease.until - now, 1e9) * 1000))


def _fence(number: int | None) -> str:
    return "" if number is None else str(number)


def _limits(may_spend: int = 1, topics: bytes = b"") -> tuple[bool, str]:
    return bool(may_spend), topics.decode()


def _row(r: Return) -> tuple[str | bytes | int, ...]:
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
        _fence(r.number),
        r.parked,
    )
