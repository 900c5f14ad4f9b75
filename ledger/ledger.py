"""The API's side of the ledger: admit requests."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import to_ms, utcnow
from contracts.errors import IdempotencyConflict, QueueFull, UmpireError, Unavailable
from contracts.queues import broker_priority
from contracts.settings import LedgerSettings
from ledger import keys
from ledger.idempotency import AlreadyAccepted, IdempotencyKey, stored_queue_id
from ledger.message import pointer, pointer_list
from ledger.redis.clock import RedisClock
from ledger.redis.group_commit import GroupCommit, batches
from ledger.redis.pieces import in_pieces
from ledger.refusal import LATE, refusal
from ledger.request import StoredRequest
from ledger.scripts import Script
from ledger.scripts.arguments import AdmitHead, AdmitRow, AdmitShort
from ledger.stats import LedgerStats, watermarks_of
from telemetry.observer import Note, Observer, silent
from telemetry.outage import Outage

#: Seconds reserved for Redis' answer to arrive and be read by a busy loop: a request is not admitted if Redis reaches
#: it later than this before its caller gives up. At most half of the time left.
_ANSWER_SECONDS = 0.5

#: Stands for an empty field.
_EMPTY = "-"

#: Seconds for which a busy API process gathers requests. At four fifths of its maximum rate, with little in reserve,
#: 3 ms instead of 1 ms halve the 99th percentile of the time to accept and add 2 ms to its median.
GATHER_SECONDS = 0.003

#: Rows of one script of a batch: Redis does nothing else meanwhile, and single requests wait for it.
MOST_ROWS = 25

#: What a client reads when Redis gave no answer.
UNAVAILABLE = "Redis is unavailable; the request was not accepted."


#: An AdmitRow without its last field: short fields, body and message.
_Row = tuple[str, bytes, bytes]


class Submission(NamedTuple):
    """One request of a batch, and its idempotency key."""

    stored: StoredRequest
    idempotency_key: IdempotencyKey | None


class Ledger:
    def __init__(
        self,
        redis: Redis,
        settings: LedgerSettings,
        observer: Observer = silent,
        *,
        timeout: float = 1.0,
        share: float = 1.0,
    ) -> None:
        """`share`: of the ledger's bounds, how much the requests of one provider may use. `timeout` in seconds."""
        self._redis = redis
        self._observer = observer
        self._timeout = timeout
        self._marks = watermarks_of(settings)
        self.stats = LedgerStats(redis, settings, timeout=timeout)
        self._share = share
        self._keep_ms = settings.idempotency_ttl_seconds * 1000
        self._script = Script(redis, "admit")
        self._group: GroupCommit[AdmitRow, int | bytes] = GroupCommit(self._admit, weigh=_weight, gather=GATHER_SECONDS)
        self._outage = Outage()
        #: Requests in the ledger as of the last admit.
        self._held = 0
        self._clock = RedisClock()

    async def admit(
        self,
        stored: StoredRequest,
        *,
        reply_to: str | None = None,
        idempotency_key: IdempotencyKey | None = None,
        by: float | None = None,
        seconds: float | None = None,
        accepted: bool = False,
    ) -> int:
        """Write the record and push its pointer, in one step shared with concurrent admits.

        Returns how many requests of the same provider are queued before it. A second admit of the same queue id changes
        nothing. Redis has `seconds` to answer, at most the ledger's own timeout. `by`: when the caller gives up
        (time.monotonic). `accepted`: the spool has accepted the request: it counts towards the limits of its owner and
        provider, but they do not refuse it.

        Raises
        ------
        QueueFull
            The ledger is full (this refuses `accepted` requests too; they must be retried), or its provider's share of
            the ledger is used up.
        QuotaExceeded, CostLimitReached
            A limit of its owner is reached.
        Unavailable
            Redis gave no answer in time. The request may have been accepted, or may still be when Redis runs the
            script; with `by` it is not accepted after that time, however late Redis runs it.
        AlreadyAccepted, IdempotencyConflict
            The idempotency key was used before, with the same or another request.
        """
        row = _row(stored, idempotency_key, reply_to=reply_to, accepted=accepted)
        try:
            deadline = time.monotonic() + (self._timeout if seconds is None else min(seconds, self._timeout))
            if by is None:
                ahead = await self._group.submit(AdmitRow(*row, latest=0), deadline=deadline)
            else:
                ahead = await self._submit_by(by, row, deadline)
        except (RedisError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error
        self._outage.succeeded()
        if isinstance(ahead, bytes) or ahead < 0:
            raise self._refusal(ahead)
        return ahead

    async def admit_all(
        self, submissions: Sequence[Submission], *, by: float
    ) -> list[int | UmpireError | AlreadyAccepted]:
        """As `admit`, in scripts of at most MOST_ROWS and 4 MB: in order, so that a ledger that fills up refuses the
        last ones. Returns the result or the error of each request. `by`: see `admit`.
        """
        rows = [_row(stored, key) async for stored, key in in_pieces(submissions)]
        results: list[int | UmpireError | AlreadyAccepted] = []
        try:
            for batch in batches(rows, weigh=lambda row: len(row[1]) + len(row[2]), most=MOST_ROWS):
                answers = await self._admit_by(by, batch)
                results += [one if isinstance(one, int) and one >= 0 else self._refusal(one) for one in answers]
        except (RedisError, OSError, TimeoutError) as error:
            unavailable = self._unavailable(error)
            unavailable.__cause__ = error
            return [*results, *[unavailable] * (len(rows) - len(results))]
        self._outage.succeeded()
        return results

    def _unavailable(self, error: Exception) -> Unavailable:
        level = self._outage.failure_level()
        self._observer(Note("ledger.unavailable", level, fields={"error": type(error).__name__}))
        return Unavailable(UNAVAILABLE, retry_after=5.0)

    def _refusal(self, answer: int | bytes) -> UmpireError | AlreadyAccepted:
        """What an answer of the script other than a number of requests means."""
        if isinstance(answer, bytes):
            try:
                return AlreadyAccepted(stored_queue_id(answer))
            except IdempotencyConflict as conflict:
                return conflict
        refused = refusal(answer, self._held)
        if isinstance(refused, QueueFull):
            self._observer(Note("ledger.full"))
        return refused

    async def _submit_by(self, by: float, row: _Row, deadline: float) -> int | bytes:
        now = time.monotonic()
        if not self._clock.is_fresh(now):
            await self._read_clock(now, deadline)
        by = self._latest(by, now)
        answer = await self._group.submit(AdmitRow(*row, latest=self._clock.at(by)), deadline=deadline)
        if answer == LATE and time.monotonic() < by:
            # Redis' clock was set meanwhile. The answer's time has corrected ours, so try once more.
            answer = await self._group.submit(AdmitRow(*row, latest=self._clock.at(by)), deadline=deadline)
        if answer == LATE:
            raise TimeoutError
        return answer

    async def _admit_by(self, by: float, rows: Sequence[_Row]) -> list[int | bytes]:
        """As `_submit_by`, for rows that share no round trip with others."""
        now = time.monotonic()
        async with asyncio.timeout(min(by - now, self._timeout)):
            if not self._clock.is_fresh(now):
                await self._read_clock(now, by)
            by = self._latest(by, now)
            answers = await self._admit([AdmitRow(*row, latest=self._clock.at(by)) for row in rows])
            if LATE in answers and time.monotonic() < by:
                answers = await self._admit([AdmitRow(*row, latest=self._clock.at(by)) for row in rows])
        if LATE in answers:
            raise TimeoutError
        return answers

    async def _read_clock(self, now: float, deadline: float) -> None:
        async with asyncio.timeout(deadline - now):
            seconds, micros = await self._redis.time()
        self._clock.observe(now, time.monotonic(), seconds * 1000 + micros // 1000)

    def _latest(self, by: float, now: float) -> float:
        """The last time at which Redis may admit a request whose caller gives up at `by`."""
        by = min(by, now + self._timeout)
        return by - min(_ANSWER_SECONDS, (by - now) / 2)

    async def _admit(self, rows: Sequence[AdmitRow]) -> list[int | bytes]:
        head = AdmitHead(*self._marks, self._share, self._keep_ms, spent_key=keys.spent(utcnow().date()))
        arguments: list[str | bytes | float] = [*head]
        for row in rows:
            arguments.extend(row)
        sent = time.monotonic()
        now_ms, self._held, *answers = await self._script(*arguments)
        self._clock.observe(sent, time.monotonic(), now_ms)
        return list(answers)

    async def recall(self, idempotency_key: IdempotencyKey) -> UUID | None:
        """The queue id stored for this key and the same request, or None. Raises Unavailable, IdempotencyConflict."""
        try:
            value: Any = await self._redis.get(keys.idempotency(idempotency_key.key))
        except (RedisError, OSError) as error:
            raise Unavailable(UNAVAILABLE, retry_after=5.0) from error
        return stored_queue_id(value[64:]) if value and value[:64] == idempotency_key.fingerprint.encode() else None


def _row(
    stored: StoredRequest,
    idempotency_key: IdempotencyKey | None,
    *,
    reply_to: str | None = None,
    accepted: bool = False,
) -> _Row:
    priority = stored.request.priority
    queue_id = str(stored.queue_id)
    idempotency_hash, fingerprint = idempotency_key or (_EMPTY, _EMPTY)
    short = AdmitShort(
        id=queue_id,
        provider=stored.provider,
        priority=str(broker_priority(priority)),
        list=pointer_list(stored.provider, priority),
        ttl_ms=str(max(1, to_ms(stored.expires_at) - to_ms(utcnow()))),
        reply_to=reply_to or _EMPTY,
        owner=stored.owner or _EMPTY,
        limited="0" if accepted else "1",
        idempotency_hash=idempotency_hash,
        fingerprint=fingerprint,
        strict="1" if stored.request.ttl_seconds is not None else "0",
    )
    return " ".join(short), stored.to_bytes(), pointer(queue_id, stored.provider, priority)


def _weight(row: AdmitRow) -> int:
    return len(row.body) + len(row.message)
