"""Redelivers results: publishes the kept events of ended comparisons again, with the same bytes and `event_id`."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from access.api_key import ApiKey
from contracts.enums import QueueStatus
from contracts.errors import (
    IdempotencyConflict,
    NotFound,
    NotKept,
    NotRedeliverable,
    QueueFull,
    UmpireError,
)
from ledger.idempotency import redelivery_hash
from ledger.outbox import kept
from ledger.outbox.kept import FoundResult, KeptResults, Redelivered
from ledger.spool import Spool
from service.admission import Admission
from telemetry.observer import Note, Observer

#: Retry-After in seconds while too many results wait for Kafka.
_FULL_SECONDS = 30.0

_ENDED = frozenset({QueueStatus.COMPLETED, QueueStatus.FAILED, QueueStatus.EXPIRED, QueueStatus.CANCELLED})


class RedeliveryAccepted(NamedTuple):
    """A result that will be published again."""

    queue_id: UUID
    topic: str
    number: int
    """How often it has been redelivered, this time included."""
    replayed: bool
    """An earlier request with the same Idempotency-Key has caused it."""


class Redelivery:
    def __init__(
        self, results: KeptResults, spool: Spool, admission: Admission, observer: Observer, *, keep_seconds: int
    ) -> None:
        """`keep_seconds`: UMPIRE_RESULTS_KEEP_SECONDS."""
        self._results = results
        self._spool = spool
        self._admission = admission
        self._observer = observer
        self._keep_seconds = keep_seconds

    async def one(self, queue_id: UUID, key: ApiKey | None, idempotency_key: str | None) -> RedeliveryAccepted:
        """Raises what `many` returns, and RedisError, OSError."""
        (outcome,) = await self._redeliver([queue_id], key, idempotency_key, [""])
        if isinstance(outcome, UmpireError):
            raise outcome
        return outcome

    async def many(
        self, queue_ids: Sequence[UUID], key: ApiKey | None, idempotency_key: str | None
    ) -> list[RedeliveryAccepted | UmpireError]:
        """What became of each: accepted, or NotFound, NotRedeliverable, NotKept, InvalidCallbackTopic, QueueFull or
        IdempotencyConflict. Raises RedisError or OSError.
        """
        return await self._redeliver(queue_ids, key, idempotency_key, [str(n) for n in range(len(queue_ids))])

    async def _redeliver(
        self, queue_ids: Sequence[UUID], key: ApiKey | None, idempotency_key: str | None, places: Sequence[str]
    ) -> list[RedeliveryAccepted | UmpireError]:
        outcomes: dict[int, RedeliveryAccepted | UmpireError] = {}
        chosen: list[tuple[int, str]] = []
        found = await self._results.find(queue_ids)
        for index, (queue_id, result) in enumerate(zip(queue_ids, found, strict=True)):
            try:
                chosen.append((index, await self._check(queue_id, result, key)))
            except UmpireError as error:
                outcomes[index] = error
        hashes = None
        if idempotency_key is not None:
            scope = key.id if key else ""
            hashes = [redelivery_hash(idempotency_key, places[index], scope=scope) for index, _ in chosen]
        ids = [str(queue_ids[index]) for index, _ in chosen]
        done = await self._results.redeliver(ids, owner=key.id if key else None, once=hashes)
        for (index, topic), its in zip(chosen, done, strict=True):
            outcomes[index] = self._outcome(queue_ids[index], topic, its)
        if fresh := sum(its.number > 0 and not its.replayed for its in done):
            self._observer(Note("results.redelivered", "info", value=fresh))
        return [outcomes[index] for index in range(len(queue_ids))]

    async def _check(self, queue_id: UUID, found: FoundResult | None, key: ApiKey | None) -> str:
        """The topic of a result that may be published again. Another key's comparison is unknown."""
        owner = key.id if key else None
        if found is None:
            if await self._spool.holds(queue_id, owner):
                raise _unfinished(QueueStatus.QUEUED.value)
            raise _unknown()
        if not found.readable:
            # A key learns only of its own comparisons, and this one's owner may be unreadable too.
            raise _newer() if owner in {None, found.owner} else _unknown()
        if owner not in {None, found.owner}:
            raise _unknown()
        if found.topic is not None:
            self._admission.check_topic(found.topic, key)
            return found.topic
        if found.state not in _ENDED:
            raise _unfinished(found.state)
        raise self._not_kept()

    def _outcome(self, queue_id: UUID, topic: str, done: Redelivered) -> RedeliveryAccepted | UmpireError:
        match done.number:
            case kept.NOT_KEPT:  # it expired meanwhile
                return self._not_kept()
            case kept.CONFLICT:
                return IdempotencyConflict("This Idempotency-Key was used before to redeliver another result.")
            case kept.FOREIGN:
                return _unknown()
            case kept.FULL:
                detail = "Too many results wait for Kafka; this one was not redelivered."
                return QueueFull(detail, retry_after=_FULL_SECONDS, limit="outbox")
            case kept.UNREADABLE:
                return _newer()
        return RedeliveryAccepted(queue_id, topic, done.number, done.replayed)

    def _not_kept(self) -> NotKept:
        if not self._keep_seconds:
            return NotKept("the service does not keep results: UMPIRE_RESULTS_KEEP_SECONDS is 0")
        seconds = self._keep_seconds
        detail = f"the result is not kept any more; results are kept for at most {seconds} s after their request ended"
        return NotKept(detail, keep_seconds=seconds)


def _unknown() -> NotFound:
    return NotFound("no comparison with this queue_id is known")


def _unfinished(state: str | None) -> NotRedeliverable:
    return NotRedeliverable("the comparison has not ended; its result will be published when it does", state=state)


def _newer() -> NotRedeliverable:
    return NotRedeliverable("a newer version of the service wrote the result; this one cannot read it")
