"""The worker's side of the ledger: claim, renew, finish, release, defer. Each claim gives its owner one lease."""

import itertools
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.queues import list_names, queue_name
from contracts.settings import HoldSettings, LedgerSettings
from ledger import keys
from ledger.completion import Completion, finish_arguments, report_unwritten_sums, token
from ledger.message import pointer, pointer_list
from ledger.redis.group_commit import GroupCommit
from ledger.request import RequestReader, StoredRequest
from ledger.scripts import Piggyback, Script, flatten
from ledger.scripts.arguments import ClaimHead, RenewHead, RenewRow, RequeueHead, RequeueRow
from telemetry.observer import Observer, silent

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


class _ClaimedRow(NamedTuple):
    """What claim.lua returns for each request. The last two are absent without an owner."""

    queue_id: bytes
    body: bytes
    tries: bytes
    lapses: bytes
    waited_ms: int
    spent: bytes
    may_spend: int = 1
    topics: bytes = b""


class LostLeases(NamedTuple):
    """Leases that a worker no longer has."""

    taken: list[Lease]
    """The request has another claim, or is queued or deferred again."""
    ended: list[Lease]
    """The request has ended, by this worker just now or by another one."""


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
        self._settings = settings
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
        self._completions: GroupCommit[Completion, bytes | None] = GroupCommit(
            self._finish_all, weigh=lambda completion: len(completion.event)
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
        asked = time.monotonic()
        number = self._unanswered.pop(queue_id, None) or next(self._numbers)
        head = ClaimHead(
            worker=self.owner,
            number=number,
            lease=self._lease,
            cap=self._cap,
            wanted=more,
            provider=self._provider.value,
            leader=queue_id or "",
            spent_key=keys.spent(utcnow().date()),
            most_added=self._most_added,
        )
        try:
            rows = await self._claim(*head, *self._lists, piggyback=piggyback)
        except (RedisError, OSError):
            self._unanswered[queue_id] = number
            raise
        claimed = [self._claimed(_ClaimedRow(*row), number, asked) for row in rows]
        return [one for one in claimed if one is not None]

    def _claimed(self, row: "_ClaimedRow", number: int, asked: float) -> Claimed | None:
        """None if this version cannot read the request: its lease lapses, and another worker may be able to read it."""
        stored = self._reader.read(row.queue_id, row.body)
        if stored is None:
            return None
        return Claimed(
            stored,
            tries=int(row.tries),
            lapses=int(row.lapses),
            waited=row.waited_ms / 1000,
            spent=row.spent,
            may_spend=bool(row.may_spend),
            topics=row.topics.decode(),
            until=asked + self._cap / 1000,
            fencing_token=number,
            claimed=asked,
        )

    async def renew(self, leased: Sequence[Lease], held: Collection[str]) -> LostLeases:
        """Heartbeat: renew `leased`, and mark the pointers `held` as not lost. Returns the leases no longer ours."""
        asked = time.monotonic()
        head = RenewHead(self.owner, self._lease, provider=self._provider.value, live=self._lease, leases=len(leased))
        rows = [
            RenewRow(one.queue_id, one.fencing_token, most=max(0, int(min(one.until - asked, 1e9) * 1000)))
            for one in leased
        ]
        gone = await self._renew(*head, *flatten(rows), *held)
        self._renewed = asked
        return LostLeases(*([leased[place - 1] for place in places] for places in gone))

    async def finish(self, completion: Completion) -> bytes | None:
        """Complete a request. Concurrent completions share a round trip.

        Returns the id of its outbox entry, or None if it had ended already or this worker may not complete it.
        """
        return await self._completions.submit(completion)

    async def _finish_all(self, completions: Sequence[Completion]) -> list[bytes | None]:
        unwritten, *entry_ids = await self._finish(*finish_arguments(self.owner, self._settings, completions))
        report_unwritten_sums(self._observer, unwritten)
        return list(entry_ids)

    async def release(self, releases: Sequence[Release]) -> int:
        """Release or defer leased requests. Returns how many were still ours."""
        rows = (_requeue_row(one) for one in releases)
        return int(await self._requeue(*RequeueHead(self.owner), *flatten(rows))) if releases else 0

    async def leave(self) -> None:
        """Remove this process from the live workers at once, instead of when its last heartbeat is too old."""
        await self._redis.zrem(keys.WORKERS, f"{self._provider.value}|{self.owner}")

    async def push_again(self, queue_id: str, priority: int) -> None:
        """Push the pointer of a queued request again that was fetched from the broker and not claimed."""
        row = RequeueRow(
            queue_id,
            state="queued",
            list=pointer_list(self._provider, priority),
            message=pointer(queue_id, self._provider, priority),
            place="front",
        )
        await self._requeue(*RequeueHead(self.owner), *row)


def hold_ms(holds: HoldSettings | None) -> int:
    """The most that holds may add to a request's time to live, in ms."""
    return int((holds or HoldSettings()).hold_max_seconds * 1000)


def _requeue_row(release: Release) -> RequeueRow:
    stored, priority = release.stored, release.stored.request.priority
    return RequeueRow(
        str(stored.queue_id),
        state="processing",
        list=pointer_list(stored.provider, priority),
        message=pointer(str(stored.queue_id), stored.provider, priority),
        place="front" if release.front else "back",
        tries=int(release.counts),
        delay=int(release.delay * 1000),
        spent=release.spent,
        fencing_token=token(release.fencing_token),
        model=release.parked,
    )
