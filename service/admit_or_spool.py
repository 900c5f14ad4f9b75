"""Accepts a request into the ledger, or into the spool while Redis is unavailable or refuses writes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from redis.exceptions import ResponseError

from contracts.errors import QueueFull, UmpireError, Unavailable
from contracts.events import LLMQueueFullV1
from contracts.settings import Settings
from events.lifecycle import Lifecycle
from ledger.idempotency import AlreadyAccepted, IdempotencyKey
from ledger.ledger import Ledger, Submission
from ledger.request import StoredRequest
from ledger.spool import Spool
from ledger.stats import RedisState
from telemetry.observer import Note, Observer
from telemetry.outage import Outage

#: While Redis is unavailable, one request in this many seconds still tries it; the others go to the spool without
#: waiting for a timeout.
TRY_SECONDS = 0.5

#: Why a request with an Idempotency-Key is not accepted into the spool.
_KEY_UNKNOWN = "Redis is unavailable, and only Redis knows this Idempotency-Key; the request was not accepted."

#: While requests are refused, this is logged and published once in this many seconds.
ALARM_SECONDS = 5.0


#: Of one request of a batch: the number of requests queued before it, None if it is in the spool, or why it is in
#: neither.
Outcome = int | UmpireError | AlreadyAccepted | None


@dataclass(eq=False)
class Acceptance:
    """`unanswered` is called whenever Redis does not answer."""

    settings: Settings
    ledger: Ledger
    spool: Spool
    lifecycle: Lifecycle
    observer: Observer
    unanswered: Callable[[], None]

    def __post_init__(self) -> None:
        #: As of the last operation on Redis.
        self.redis_state: RedisState = "up"
        self._outage = Outage(retry_seconds=TRY_SECONDS)
        self._next_alarm = 0.0

    @property
    def redis_unavailable(self) -> bool:
        """Also True if Redis answers but refuses writes."""
        return self.redis_state != "up"

    async def accept(
        self, stored: StoredRequest, *, reply_to: str | None, idempotency_key: IdempotencyKey | None, seconds: float
    ) -> int | None:
        """Write the request to the ledger within `seconds`, else to the spool. The same queue id twice is one request.

        Returns the number of requests queued before it; None if it is in the spool.

        Raises
        ------
        QueueFull
            The ledger is full, or the spool while Redis is unavailable.
        QuotaExceeded, CostLimitReached
            The owner of the request has reached a limit. Raised by the ledger only: the spool does not check limits.
        Unavailable
            Neither can be written; or the request has an Idempotency-Key, which only the ledger can look up.
        AlreadyAccepted
            The ledger has accepted a request with the same Idempotency-Key before.
        """
        if self._outage.may_try():
            # After `by` Redis must not accept the request any more: it may be refused below by then.
            by = time.monotonic() + seconds
            try:
                queued_before = await self.accept_in_ledger(
                    stored, reply_to=reply_to, idempotency_key=idempotency_key, by=by, seconds=seconds
                )
            except Unavailable as error:
                self.record_failure(error)
            except (UmpireError, AlreadyAccepted):
                self.record("up")
                raise
            else:
                self.record("up")
                return queued_before
        if idempotency_key is not None:
            raise Unavailable(_KEY_UNKNOWN, retry_after=5.0)
        # If Redis has accepted the request and only its answer was lost, the drainer's second admit changes nothing.
        try:
            await self.spool.put(stored)
        except QueueFull as full:
            self._announce_full("spool", full, self.settings.spool.queue_max_size)
            raise
        self.observer(Note("spool.accepted", labels={"provider": stored.provider.value}))
        return None

    async def accept_all(self, submissions: Sequence[Submission], *, seconds: float) -> list[Outcome]:
        """As `accept`, for requests that do not wait for their verdicts. Returns the outcome of each."""
        if not submissions:
            return []
        unknown = Unavailable(_KEY_UNKNOWN, retry_after=5.0)
        outcomes: list[Outcome] = [unknown] * len(submissions)
        if self._outage.may_try():
            outcomes[:] = await self.ledger.admit_all(submissions, by=time.monotonic() + seconds)
            failure = next((one for one in outcomes if isinstance(one, Unavailable)), None)
            if failure is None:
                self.record("up")
            else:
                self.record_failure(failure)
            self._announce_any_full("redis", outcomes, self.settings.ledger.ledger_max_size)
        without_redis = [number for number, one in enumerate(outcomes) if isinstance(one, Unavailable)]
        to_spool = [number for number in without_redis if submissions[number].idempotency_key is None]
        for number in without_redis:
            outcomes[number] = unknown
        if to_spool:
            spooled = await self._spool_all([submissions[number].stored for number in to_spool])
            for number, outcome in zip(to_spool, spooled, strict=True):
                outcomes[number] = outcome
        return outcomes

    async def _spool_all(self, requests: Sequence[StoredRequest]) -> Sequence[QueueFull | Unavailable | None]:
        try:
            outcomes = await self.spool.put_all(requests)
        except Unavailable as error:
            return [error] * len(requests)
        self._announce_any_full("spool", outcomes, self.settings.spool.queue_max_size)
        for stored, outcome in zip(requests, outcomes, strict=True):
            if outcome is None:
                self.observer(Note("spool.accepted", labels={"provider": stored.provider.value}))
        return outcomes

    def _announce_any_full(
        self, backend: Literal["redis", "spool"], outcomes: Sequence[Outcome], max_size: int
    ) -> None:
        full = next((one for one in outcomes if isinstance(one, QueueFull)), None)
        if full is not None:
            self._announce_full(backend, full, max_size)

    async def accept_in_ledger(
        self,
        stored: StoredRequest,
        *,
        reply_to: str | None,
        idempotency_key: IdempotencyKey | None,
        by: float,
        seconds: float | None = None,
    ) -> int:
        """Write the request to the ledger, never to the spool. Arguments, result and errors: see Ledger.admit."""
        try:
            return await self.ledger.admit(
                stored, reply_to=reply_to, idempotency_key=idempotency_key, by=by, seconds=seconds
            )
        except QueueFull as full:
            self._announce_full("redis", full, self.settings.ledger.ledger_max_size)
            raise

    def _announce_full(self, backend: Literal["redis", "spool"], full: QueueFull, max_size: int) -> None:
        """Log and publish, once in ALARM_SECONDS, that requests are refused. The event does not count them."""
        now = time.monotonic()
        if now >= self._next_alarm:
            self._next_alarm = now + ALARM_SECONDS
            self.observer(Note("queue.full", "warning", fields={"backend": backend}))
            size = int(full.details.get("size", max_size))
            self.lifecycle.send(LLMQueueFullV1(backend=backend, size=size, max_size=max_size))

    def record_failure(self, error: TimeoutError | Unavailable) -> None:
        """Record that the ledger accepted nothing. The cause of `error` is the answer of Redis, if there was one."""
        self.record("refusing writes" if isinstance(error.__cause__, ResponseError) else "down")

    def record_no_answer(self) -> None:
        self.record("down")

    def record(self, state: RedisState) -> None:
        """Record the state that an operation on Redis has shown. The first and the last of an outage are logged."""
        changed, self.redis_state = state != self.redis_state, state
        if state == "up":
            if self._outage.succeeded():
                self.observer(Note("ledger.back", "info"))
            return
        self._outage.failed()
        if changed:
            self.observer(Note("ledger.away", "warning", fields={"redis": state}))
        if state == "down":
            self.unanswered()
