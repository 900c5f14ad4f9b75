"""Results that Kafka has not confirmed. An entry leaves only after a delivery report, or to the dead letters."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from redis.asyncio import Redis

from ledger import keys
from ledger.scripts import Script, flatten
from ledger.scripts.arguments import ConfirmRow, DueHead, UndeliveredHead, UndeliveredRow
from telemetry.observer import Note, Observer, silent

#: An undelivered result is due for another try after this, in ms. Without a pause, results that a full local queue
#: rejects would be retried in a busy loop.
AGAIN_MS = 2_000

#: Entries confirmed in one script, to bound its time.
_BATCH = 500

#: Fields that an entry must have.
_FIELDS = {b"i", b"t", b"k", b"e"}

#: How many unreadable entries are remembered, so that each is counted once.
_MAX_UNKNOWN = 10_000


class Entry(NamedTuple):
    entry_id: bytes
    queue_id: str
    topic: str
    key: str
    event: bytes
    forbidden: bool = False
    """The request's owner may not publish to the topic (any more): the result goes to the dead letters only."""
    redelivery: int = 0
    """Number of the redelivery; 0: the first delivery."""


class Delivered(NamedTuple):
    entry_id: bytes
    size: int
    """Bytes of its event."""


class Undelivered(NamedTuple):
    """A result that Kafka did not take, and why. `patience`: seconds after the first such report until it counts as
    refused for good; None: never.
    """

    entry_id: bytes
    reason: str
    patience: float | None


class OutboxSize(NamedTuple):
    """How many results are in the outbox, and the age of the oldest."""

    results: int
    oldest_seconds: float | None


class Disposition(StrEnum):
    """What happened to an undelivered result: see undelivered.lua."""

    GONE = "gone"
    WAITS = "waits"
    FULL = "full"
    DEAD = "dead"


class Outbox:
    def __init__(self, redis: Redis, *, max_dead: int, observer: Observer = silent) -> None:
        self._redis = redis
        self._observer = observer
        self._unknown: set[bytes] = set()
        self._max_dead = max_dead
        self._confirm = Script(redis, "confirm")
        self._undelivered = Script(redis, "undelivered")
        self._due = Script(redis, "due")

    async def size(self) -> OutboxSize:
        first: Any = await self._redis.xrange(keys.OUTBOX, count=1)
        seconds, _ = await self._redis.time()
        age = seconds - int(first[0][0].partition(b"-")[0]) / 1000 if first else None
        return OutboxSize(int(await self._redis.xlen(keys.OUTBOX)), None if age is None else max(0.0, age))

    async def confirm(self, delivered: Sequence[Delivered]) -> None:
        """Remove results that Kafka has confirmed."""
        for start in range(0, len(delivered), _BATCH):
            rows = (ConfirmRow(one.entry_id, one.size) for one in delivered[start : start + _BATCH])
            await self._confirm(*flatten(rows))

    async def undelivered(self, failures: Sequence[Undelivered]) -> list[tuple[Disposition, Entry | None]]:
        """Make each due for another try in AGAIN_MS, or move it to the dead letters; only then return its entry."""
        asked = (
            UndeliveredRow(
                failure.entry_id,
                failure.reason,
                patience=-1 if failure.patience is None else int(failure.patience * 1000),
            )
            for failure in failures
        )
        rows = await self._undelivered(*UndeliveredHead(self._max_dead, AGAIN_MS), *flatten(asked))
        return [
            (Disposition(disposition.decode()), _entry(failure.entry_id, *fields) if fields else None)
            for failure, (disposition, *fields) in zip(failures, rows, strict=True)
        ]

    async def take_due(self, limit: int) -> tuple[int, list[Entry]]:
        """Take up to `limit` due results: how many were taken, and those that are still in the outbox."""
        taken, rows = await self._due(*DueHead(limit))
        return taken, self._known((id_, dict(zip(flat[::2], flat[1::2], strict=True))) for id_, flat in rows)

    async def read(self, entry_ids: Sequence[bytes]) -> list[Entry]:
        """The given entries, without those that have left the outbox."""
        pipeline = self._redis.pipeline(transaction=False)
        for entry_id in entry_ids:
            pipeline.xrange(keys.OUTBOX, entry_id, entry_id)
        return self._known(row for rows in await pipeline.execute() for row in rows)

    async def older_than(
        self, now_ms: int, age: float, *, after: bytes | None = None, limit: int = 500
    ) -> tuple[bytes | None, list[Entry]]:
        """Entries written over `age` seconds before `now_ms` (Redis' clock, with which entry ids begin), oldest first;
        and the id to pass as `after` next, or None if there are no more.
        """
        start = b"(" + after if after else b"-"
        rows: Any = await self._redis.xrange(keys.OUTBOX, min=start, max=max(0, now_ms - int(age * 1000)), count=limit)
        return rows[-1][0] if rows else None, self._known(rows)

    def _known(self, rows: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
        """The entries that this version can read. Others are left to a newer version, each counted once."""
        found = []
        for entry_id, fields in rows:
            if fields.keys() >= _FIELDS:
                found.append(_read(entry_id, fields))
            elif entry_id not in self._unknown and len(self._unknown) < _MAX_UNKNOWN:
                self._unknown.add(entry_id)
                self._observer(Note("row.unknown", "error", {"kind": "outbox"}, fields={"entry": entry_id.decode()}))
        return found


def _read(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    entry = _entry(entry_id, fields[b"i"], fields[b"t"], fields[b"k"], fields[b"e"])
    if fields.get(b"f"):
        entry = entry._replace(forbidden=True)
    number = fields.get(b"n", b"")
    return entry._replace(redelivery=int(number)) if number.isdigit() else entry


def _entry(entry_id: bytes, queue_id: bytes, topic: bytes, key: bytes, event: bytes) -> Entry:
    return Entry(entry_id, queue_id.decode(), topic.decode(), key.decode(), event)
