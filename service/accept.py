"""Taking a request: into the ledger, or into the spool while Redis is away, which it is too when it takes no writes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from redis.exceptions import ResponseError

from contracts.errors import QueueFull, UmpireError, Unavailable
from contracts.events import LLMQueueFullV1
from contracts.settings import Settings
from events.lifecycle import Lifecycle
from ledger.figures import RedisState
from ledger.ledger import Ledger
from ledger.once import AcceptedBefore, Once
from ledger.request import StoredRequest
from ledger.spool import Spool
from telemetry.observer import Note, Observer

#: While Redis is away, one request in so many seconds still tries it; the others go to the spool at once, so that none
#: waits for a Redis that is known to be away.
TRY_SECONDS = 0.5


#: While requests are refused, the world is told once in so many seconds.
ALARM_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Accepted:
    #: Requests queued before it; None when it is in the spool.
    ahead: int | None


class Acceptance:
    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        spool: Spool,
        lifecycle: Lifecycle,
        observer: Observer,
        *,
        unanswered: Callable[[], None],
    ) -> None:
        """`unanswered` is called whenever Redis was asked and did not answer."""
        self._settings = settings
        self._ledger = ledger
        self._spool = spool
        self._lifecycle = lifecycle
        self._observer = observer
        self._unanswered = unanswered
        #: By the last that was seen of it.
        self.redis_state: RedisState = "up"
        self._next_try = 0.0
        self._next_alarm = 0.0

    @property
    def redis_away(self) -> bool:
        return self.redis_state != "up"

    async def accept(
        self, stored: StoredRequest, *, reply_to: str | None, once: Once | None, seconds: float
    ) -> Accepted:
        """Into the ledger within `seconds`, else into the spool. The same queue id twice is one request.

        Raises
        ------
        QueueFull
            The ledger, or while Redis is away the spool, takes no more.
        QuotaExceeded, CostLimitReached
            By the ledger: its owner's limits. The spool does not know them.
        Unavailable
            Neither can be written; or an Idempotency-Key came with it, which only the ledger can look up.
        AcceptedBefore
            By the ledger, of a request with the same Idempotency-Key.
        """
        if self._may_try():
            # What the spool refuses afterwards, or is not asked to take, must not be accepted behind its client's back.
            by = time.monotonic() + seconds
            try:
                ahead = await self.admit(stored, reply_to=reply_to, once=once, by=by, seconds=seconds)
            except Unavailable as error:
                self.failed(error)
            except (UmpireError, AcceptedBefore):
                self.told_back()
                raise
            else:
                self.told_back()
                return Accepted(ahead)
        if once is not None:
            raise Unavailable("the ledger does not answer, and only it knows the Idempotency-Key", retry_after=5.0)
        # Redis may have taken it all the same, and only the answer was lost: the drainer's replay changes nothing then.
        try:
            await self._spool.put(stored)
        except QueueFull as full:
            self._tell_full("spool", full, self._settings.spool.queue_max_size)
            raise
        self._observer(Note("spool.accepted", labels={"provider": stored.provider.value}))
        return Accepted(None)

    async def admit(
        self,
        stored: StoredRequest,
        *,
        reply_to: str | None,
        once: Once | None,
        by: float,
        seconds: float | None = None,
    ) -> int:
        """Into the ledger, or not at all: see Ledger.admit."""
        try:
            return await self._ledger.admit(stored, reply_to=reply_to, once=once, by=by, seconds=seconds)
        except QueueFull as full:
            self._tell_full("redis", full, self._settings.ledger.ledger_max_size)
            raise

    def _may_try(self) -> bool:
        if not self.redis_away:
            return True
        now = time.monotonic()
        if now < self._next_try:
            return False
        self._next_try = now + TRY_SECONDS
        return True

    def _tell_full(self, backend: Literal["redis", "spool"], full: QueueFull, most: int) -> None:
        """The event says that requests are refused, not how many: once in a while is enough."""
        now = time.monotonic()
        if now >= self._next_alarm:
            self._next_alarm = now + ALARM_SECONDS
            self._observer(Note("queue.full", "warning", fields={"backend": backend}))
            size = int(full.details.get("size", most))
            self._lifecycle.tell(LLMQueueFullV1(backend=backend, size=size, max_size=most))

    def failed(self, error: TimeoutError | Unavailable) -> None:
        """The ledger took nothing. Behind it is what Redis answered, if it did."""
        self.told("refusing writes" if isinstance(error.__cause__, ResponseError) else "down")

    def told_away(self) -> None:
        """Redis was asked, and did not answer."""
        self.told("down")

    def told_back(self) -> None:
        self.told("up")

    def told(self, state: RedisState) -> None:
        changed, self.redis_state = state != self.redis_state, state
        if state == "up":
            if changed:
                self._observer(Note("ledger.back", "info"))
            return
        if changed:
            self._observer(Note("ledger.away", "warning", fields={"redis": state}))
        self._next_try = time.monotonic() + TRY_SECONDS
        if state == "down":
            self._unanswered()
