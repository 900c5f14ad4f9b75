"""Maintenance of the ledger: lapsed leases, deferred records, lost pointers, expiry. Only the process that holds the
lock runs it; each script checks the record again before it writes, so two processes at once would do no harm.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.asyncio import Redis

from contracts.enums import HoldReason, LLMProviderType, QueueStatus, known
from contracts.queues import PRIORITY_STEPS, list_name, queue_name
from contracts.settings import HoldSettings, LedgerSettings
from ledger import keys
from ledger.claims import hold_ms
from ledger.message import pointer_at, priority_list
from ledger.request import RequestReader, StoredRequest
from ledger.scripts import Script, flatten
from ledger.scripts.arguments import ExpiredHead, LapseHead, LapseRow, LockHead, LostHead, RequeueHead, RequeueRow
from telemetry.observer import Observer, silent

#: Life of a lock, in ms: another process takes over when its holder dies.
LOCK_MS = 5_000

#: Records per sweep, to bound one script's time; the next sweep takes the rest.
MAX_SWEEP = 500

#: Bytes of bodies that one sweep reads: each is held in memory several times.
MAX_SWEEP_BYTES = 16_000_000

#: Most due or expired records that one sweep goes through: the first ones may all have to be skipped.
MAX_SCANNED = 20 * MAX_SWEEP

#: Records that one run of expired.lua goes through: some ms of Redis' time.
SCAN_BATCH = 2 * MAX_SWEEP

#: Queued records that one search for lost pointers goes through from the oldest on, and as many again from where the
#: last search ended. The pointers that a killed worker had fetched were the oldest of their priority, but an old
#: backlog of low priority may stand before an urgent one. Some milliseconds of Redis' time, every two seconds.
LOST_SCAN = 1_500

#: Messages read from the head of each list, to judge how far it is consumed. Those put back in front are in no order.
HEAD_SAMPLE = 64

#: Seconds for which a pointer must look lost before it is pushed again: longer than the time between two heartbeats
#: (tasks/heartbeat.py), because it looks lost from when a worker fetches it until the worker's claim or next heartbeat.
SUSPECT_SECONDS = 6.0


#: States of a record that this version knows.
_STATES = frozenset({"deferred", *QueueStatus})


class Orphan(NamedTuple):
    """A request that maintenance has to end; `spent` as its last claim recorded it."""

    stored: StoredRequest
    spent: bytes
    hold: HoldReason | None = None
    """Why its provider or model was on hold when its time to live ended; None: it was not."""


@dataclass(eq=False)
class Sweeps:
    redis: Redis
    settings: LedgerSettings
    owner: str
    holds: HoldSettings | None = None
    observer: Observer = silent

    def __post_init__(self) -> None:
        self._reader = RequestReader(self.observer)
        self._lapse = Script(self.redis, "lapse")
        self._requeue = Script(self.redis, "requeue")
        self._lost = Script(self.redis, "lost")
        self._expired = Script(self.redis, "expired")
        self._most_added = hold_ms(self.holds)
        self._lock = Script(self.redis, "lock")
        #: Queue id → when its pointer was first found missing (time.monotonic).
        self._suspects: dict[LLMProviderType, dict[bytes, float]] = {}
        #: Position in the queue from which the next search for lost pointers continues.
        self._scan_from: dict[LLMProviderType, int] = {}

    async def hold_lock(self) -> bool:
        """Take or keep the maintenance lock. Returns whether this process holds it."""
        return bool(await self._lock(*LockHead(keys.CUSTODIAN, self.owner, LOCK_MS)))

    async def release_lock(self) -> None:
        await self._lock(*LockHead(keys.CUSTODIAN, self.owner, ms=0))

    async def hold_resending(self) -> bool:
        """Take or keep the lock for resending the outbox (any process that reaches Kafka may). True if held."""
        return bool(await self._lock(*LockHead(keys.RESENDER, self.owner, LOCK_MS)))

    async def release_resending(self) -> None:
        await self._lock(*LockHead(keys.RESENDER, self.owner, ms=0))

    async def now_ms(self) -> int:
        seconds, micros = await self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def take_back_lapsed(self) -> tuple[int, list[Orphan]]:
        """Return requests whose lease lapsed to their queue.

        Returns how many lapsed, and those that lapsed too often: they are leased to this process, which must end them.
        """
        lapsed = await self._due(keys.LEASES)
        if not lapsed:
            return 0, []
        lease_ms = int(self.settings.lease_seconds * 1000)
        rows = (
            LapseRow(queue_id, *_message(queue_id.decode(errors="replace"), provider, priority))
            for queue_id, provider, priority in lapsed
        )
        poison = await self._lapse(*LapseHead(self.owner, self.settings.max_lapses, lease_ms), *flatten(rows))
        return len(lapsed), await self._read(poison)

    async def _due(self, key: str) -> list[tuple[bytes, LLMProviderType, int]]:
        """The first records of the sorted set `key` whose time has come: queue id, provider, broker priority. Records
        whose provider or state this version does not know are left to a newer one.
        """
        now = await self.now_ms()
        for start in range(0, MAX_SCANNED, MAX_SWEEP):
            ids: Any = await self.redis.zrangebyscore(key, "-inf", now, start=start, num=MAX_SWEEP)
            known = [
                (queue_id, provider, priority)
                for queue_id, (provider, priority) in zip(ids, await self._locate(ids), strict=True)
                if provider is not None
            ]
            if known or len(ids) < MAX_SWEEP:
                return known
        return []

    async def push_due(self, provider: LLMProviderType) -> int:
        """Return deferred requests whose time has come to their queue. Returns how many."""
        due = await self._due(keys.deferred(provider.value))
        return await self._push("deferred", provider, [(queue_id, priority) for queue_id, _, priority in due])

    async def push_lost(self, provider: LLMProviderType) -> int:
        """Push a new pointer for queued requests whose pointer is gone. Returns how many."""
        queue = queue_name(provider)
        age = int(self.settings.lost_pointer_seconds * 1000)
        before, start = self._suspects.get(provider, {}), self._scan_from.get(provider, LOST_SCAN)
        head = LostHead(
            provider.value, age, LOST_SCAN, start, most=MAX_SWEEP, sample=HEAD_SAMPLE, steps=len(PRIORITY_STEPS)
        )
        lists = ((step, list_name(queue, step)) for step in PRIORITY_STEPS)
        missed = await self._lost(*head, *flatten(lists), *before)
        waiting: int = await self.redis.zcard(keys.queued(provider.value))
        self._scan_from[provider] = start + LOST_SCAN if start + LOST_SCAN < waiting else LOST_SCAN
        now = time.monotonic()
        self._suspects[provider] = {queue_id: before.get(queue_id, now) for queue_id, _ in missed}
        lost = [row for row in missed if now - before.get(row[0], now) >= SUSPECT_SECONDS]
        rows = [(queue_id, int(priority)) for queue_id, priority in lost]
        # In front: the lost pointer was already next in line.
        return await self._push("queued", provider, rows, place="front")

    async def expired(self) -> list[Orphan]:
        """Requests past their time to live that no worker runs; a running one ends at its call's own deadline. Time on
        hold does not count towards the time to live: see expired.lua.
        """
        start, scanned = 0, 0
        orphans: list[Orphan] = []
        # Several short scripts instead of a long one, which would block Redis. Records that this version cannot read
        # are skipped, so that they do not hide the others.
        while start >= 0 and scanned < MAX_SCANNED and not orphans:
            head = ExpiredHead(self._most_added, SCAN_BATCH, start, limit=MAX_SWEEP, max_bytes=MAX_SWEEP_BYTES)
            start, *rows = await self._expired(*head)
            scanned += SCAN_BATCH
            holds = {queue_id: _hold(why) for queue_id, why in rows}
            found = await self._read(list(holds))
            orphans = [one._replace(hold=holds.get(str(one.stored.queue_id).encode())) for one in found]
        return orphans

    async def _push(
        self, state: str, provider: LLMProviderType, found: Sequence[tuple[bytes, int]], *, place: str = "back"
    ) -> int:
        if not found:
            return 0
        rows = (
            RequeueRow(queue_id.decode(), state, *_message(queue_id.decode(), provider, priority), place)
            for queue_id, priority in found
        )
        return int(await self._requeue(*RequeueHead(self.owner), *flatten(rows)))

    async def _locate(self, ids: Sequence[bytes]) -> list[tuple[LLMProviderType | None, int]]:
        pipeline = self.redis.pipeline(transaction=False)
        for queue_id in ids:
            pipeline.hmget(keys.record(queue_id.decode(errors="replace")), "p", "q", "s")
        rows = await pipeline.execute() if ids else []
        return [(_provider(provider, state), _priority(q)) for provider, q, state in rows]

    async def _read(self, ids: Sequence[bytes]) -> list[Orphan]:
        pipeline = self.redis.pipeline(transaction=False)
        for queue_id in ids:
            pipeline.get(keys.body(queue_id.decode()))
            pipeline.hget(keys.record(queue_id.decode()), "x")
        answers = await pipeline.execute() if ids else []
        rows = zip(answers[::2], answers[1::2], strict=True)
        found = []
        for queue_id, (body, spent) in zip(ids, rows, strict=True):
            stored = self._reader.read(queue_id, body) if body else None
            if stored is not None:
                found.append(Orphan(stored, spent or b""))
        return found


def _hold(why: bytes) -> HoldReason | None:
    try:
        return HoldReason(why.decode()) if why else None
    except ValueError:  # a reason that only a newer version knows
        return HoldReason.MISCONFIGURED


def _provider(value: bytes | None, state: bytes | None) -> LLMProviderType | None:
    """None if only a newer version knows the provider or the state. A record that has been removed has neither: any
    provider does then, because the script skips it.
    """
    if state is not None and state.decode(errors="replace") not in _STATES:
        return None
    return known(LLMProviderType, value.decode(errors="replace")) if value else LLMProviderType.MOCK


def _priority(value: bytes | None) -> int:
    """Broker priority, 0 to 9; 9 (least urgent) if the record is damaged."""
    return min(int(value), 9) if value and value.isdigit() else 9


def _message(queue_id: str, provider: LLMProviderType, priority: int) -> tuple[str, bytes]:
    return priority_list(provider, priority), pointer_at(queue_id, provider, priority)
