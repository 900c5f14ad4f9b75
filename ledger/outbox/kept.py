"""Kept results: events of ended requests, kept for some time so that they can be published again (redelivery)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts.settings import LedgerSettings
from ledger import keys
from ledger.scripts import Script, flatten
from ledger.scripts.arguments import RedeliverHead, RedeliverRow

#: Results that one script redelivers, to bound its time.
BATCH = 100

#: Share of UMPIRE_LEDGER_MAX_SIZE that the outbox may hold before redeliveries are refused: they must not fill the
#: ledger while Kafka is unavailable.
_OUTBOX_SHARE = 0.1

#: Codes of redeliver.lua.
NOT_KEPT, CONFLICT, FOREIGN, FULL, UNREADABLE = 0, -1, -2, -3, -4

_ANY_OWNER = "*"


@dataclass(frozen=True, slots=True)
class FoundResult:
    """What Redis has of a request. `owner`: id of the API key that submitted it, or empty."""

    state: str | None
    """State of its record; None: there is no record, or no longer."""
    owner: str
    topic: str | None
    """None: its result is not kept."""
    readable: bool = True
    """False: a newer version wrote the record or the result."""


class Redelivered(NamedTuple):
    number: int
    """Above 0: the number of this redelivery. Else a code of redeliver.lua."""
    replayed: bool
    """Its idempotency key was used before, so it was not published again."""


class KeptRow(NamedTuple):
    """A row of the list of kept results. `topic` and `owner` are None if the result is not there any more."""

    entry_id: str
    queue_id: str
    topic: str | None
    owner: str | None


class KeptResults:
    """All methods raise RedisError or OSError."""

    def __init__(self, redis: Redis, settings: LedgerSettings) -> None:
        self._redis = redis
        self._once_ms = settings.idempotency_ttl_seconds * 1000
        self._most_waiting = max(1, int(settings.ledger_max_size * _OUTBOX_SHARE))
        self._redeliver = Script(redis, "redeliver")

    async def find(self, queue_ids: Sequence[UUID]) -> list[FoundResult | None]:
        """None for an id of which Redis knows nothing."""
        pipeline = self._redis.pipeline(transaction=False)
        for queue_id in map(str, queue_ids):
            pipeline.hmget(keys.record(queue_id), "s", "w")
            pipeline.hmget(keys.result(queue_id), "t", "w")
        answers = await pipeline.execute(raise_on_error=False)
        return [_found(record, result) for record, result in zip(answers[::2], answers[1::2], strict=True)]

    async def redeliver(
        self,
        queue_ids: Sequence[str],
        *,
        owner: str | None = None,
        once: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> list[Redelivered]:
        """Publish kept results again, through the outbox. `owner`: only results of this API key; None: of any. `once`:
        the hash of each one's idempotency key. `dry_run`: change nothing; the numbers are those of the next time.
        """
        found: list[Redelivered] = []
        whose = _ANY_OWNER if owner is None else owner
        head = RedeliverHead(whose, self._once_ms, self._most_waiting, dry_run=int(dry_run))
        for start in range(0, len(queue_ids), BATCH):
            ids = queue_ids[start : start + BATCH]
            hashes = once[start : start + BATCH] if once else ["-"] * len(ids)
            rows = (RedeliverRow(queue_id, its) for queue_id, its in zip(ids, hashes, strict=True))
            found += [
                Redelivered(number, bool(replayed)) for number, replayed in await self._redeliver(*head, *flatten(rows))
            ]
        return found

    async def page(self, after: str, until: str, limit: int) -> list[KeptRow]:
        """Up to `limit` kept results behind the row `after`, the oldest first. `after` is the id of a row,
        milliseconds, or "-" for the beginning; `until` is the last row or millisecond, or "+" for the end.
        """
        start = f"({after}" if "-" in after[1:] else after
        listed: Any = await self._redis.xrange(keys.RESULTS, min=start, max=until, count=limit)
        pipeline = self._redis.pipeline(transaction=False)
        for _, fields in listed:
            pipeline.hmget(keys.result(fields.get(b"i", b"").decode(errors="replace")), "t", "w")
        results = await pipeline.execute(raise_on_error=False) if listed else []
        return [
            KeptRow(entry_id.decode(), fields.get(b"i", b"").decode(errors="replace"), *_decoded(result))
            for (entry_id, fields), result in zip(listed, results, strict=True)
        ]


def _found(record: Any, result: Any) -> FoundResult | None:
    for answer in (record, result):
        if isinstance(answer, ResponseError):  # a newer version stores it as another type
            return FoundResult(None, "", None, readable=False)
        if isinstance(answer, Exception):
            raise answer
    (state, owner), (topic, kept_owner) = record, result
    if state is None and topic is None and kept_owner is None:
        return None
    whose = owner if state is not None else kept_owner
    return FoundResult(
        state and state.decode(errors="replace"),
        (whose or b"").decode(errors="replace"),
        topic and topic.decode(errors="replace"),
        readable=topic is not None or kept_owner is None,
    )


def _decoded(result: Any) -> tuple[str | None, str | None]:
    if isinstance(result, Exception):
        return None, None
    topic, owner = result
    return topic and topic.decode(errors="replace"), None if owner is None else owner.decode(errors="replace")
