"""The door's side of the ledger: admit requests, and see how much there is."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import to_ms, utcnow
from contracts.errors import QueueFull, Unavailable
from contracts.queues import broker_priority
from contracts.settings import LedgerSettings
from ledger import keys
from ledger.figures import Figures
from ledger.group import GroupCommit
from ledger.message import pointer, pointer_list
from ledger.once import AcceptedBefore, Once, known_before
from ledger.redis_clock import RedisClock
from ledger.refusal import LATE, refusal
from ledger.request import StoredRequest
from ledger.scripts import Script
from telemetry.observer import Level, Note, Observer, silent

#: Time for an answer to come back and be read by a loop that may be busy, in seconds: what Redis gets to later than
#: this before its caller gives up is not admitted. At most half of the time there is.
_WAY_BACK_SECONDS = 0.5

#: Arguments of admit.lua for one request: what is short, as one; its body; its message; the time after which it must
#: not be admitted.
Row = tuple[str, bytes, bytes, int]
#: In place of what is empty.
_NONE = "-"

#: A busy door gathers for so many seconds. At four fifths of its most it has little in reserve: in place of 1 ms, half
#: of the 99th percentile of the time to accept, and 2 ms more of its median.
GATHER_SECONDS = 0.003


class Ledger(Figures):
    def __init__(
        self,
        redis: Redis,
        settings: LedgerSettings,
        observer: Observer = silent,
        *,
        timeout: float = 1.0,
        share: float = 1.0,
    ) -> None:
        """`share` of the bounds that the requests of one provider may take."""
        super().__init__(redis, settings, timeout=timeout)
        self._observer = observer
        self._share = share
        self._keep_ms = settings.idempotency_ttl_seconds * 1000
        self._script = Script(redis, "admit")
        self._group: GroupCommit[Row, int | bytes] = GroupCommit(self._admit, weigh=_weight, gather=GATHER_SECONDS)
        #: Redis answered the last admit.
        self._answered = True
        #: Requests in the ledger, by the last admit.
        self._held = 0
        self._clock = RedisClock()

    async def admit(
        self,
        stored: StoredRequest,
        *,
        reply_to: str | None = None,
        once: Once | None = None,
        by: float | None = None,
        seconds: float | None = None,
        accepted: bool = False,
    ) -> int:
        """Write the record and push its message, in one step shared with concurrent admits.

        Returns how many requests of the same provider are queued before it. A second admit of the same queue id changes
        nothing. Redis is given `seconds`, and never longer than the ledger's own timeout. `accepted`: it was promised
        elsewhere: it counts for the limits of its owner and of its provider, which do not hold for it.

        Raises
        ------
        QueueFull
            The ledger's own bounds; they hold for what was accepted before, too, which has to come again. Or the share
            of them that its provider may take.
        QuotaExceeded, CostLimitReached
            Its owner's limits.
        Unavailable
            Redis gave no answer in time; whether it was accepted, or will be when Redis gets to it, is unknown. Not so
            with `by`, the moment (time.monotonic) at which its caller gives up: nothing is accepted later, however late
            Redis gets to it.
        AcceptedBefore, IdempotencyConflict
            With `once`.
        """
        priority = stored.request.priority
        queue_id = str(stored.queue_id)
        left = max(1, to_ms(stored.expires_at) - to_ms(utcnow()))
        key, fingerprint = once or (_NONE, _NONE)
        short = (
            f"{queue_id} {stored.provider.value} {broker_priority(priority)} {pointer_list(stored.provider, priority)} "
            f"{left} {reply_to or _NONE} {stored.owner or _NONE} {int(not accepted)} {key} {fingerprint} "
            f"{int(stored.request.ttl_seconds is not None)}"
        )
        body = stored.model_dump_json(exclude_none=True).encode()
        row: Row = (short, body, pointer(queue_id, stored.provider, priority), 0)
        try:
            deadline = time.monotonic() + (self._timeout if seconds is None else min(seconds, self._timeout))
            if by is None:
                ahead = await self._group.submit(row, deadline=deadline)
            else:
                ahead = await self._submit_by(by, row, deadline)
        except (RedisError, OSError, TimeoutError) as error:
            level: Level = "warning" if self._answered else "debug"  # once, not for every request
            self._answered = False
            self._observer(Note("ledger.unavailable", level, fields={"error": type(error).__name__}))
            raise Unavailable("the ledger does not answer; nothing was promised", retry_after=5.0) from error
        self._answered = True
        if isinstance(ahead, bytes):
            raise AcceptedBefore(known_before(ahead))
        if ahead < 0:
            refused = refusal(ahead, self._held)
            if isinstance(refused, QueueFull):
                self._observer(Note("ledger.full"))
            raise refused
        return ahead

    async def _submit_by(self, by: float, row: Row, deadline: float) -> int | bytes:
        now = time.monotonic()
        by = min(by, now + self._timeout)
        by -= min(_WAY_BACK_SECONDS, (by - now) / 2)
        if not self._clock.is_fresh(now):
            async with asyncio.timeout(deadline - now):
                seconds, micros = await self._redis.time()
            self._clock.observe(now, time.monotonic(), seconds * 1000 + micros // 1000)
        answer = await self._group.submit((*row[:3], self._clock.at(by)), deadline=deadline)
        if answer == LATE and time.monotonic() < by:
            # Redis' clock was set meanwhile. That answer has told how.
            answer = await self._group.submit((*row[:3], self._clock.at(by)), deadline=deadline)
        if answer == LATE:
            raise TimeoutError
        return answer

    async def _admit(self, rows: Sequence[Row]) -> list[int | bytes]:
        arguments: list[str | bytes | float] = [*self._marks, self._share, self._keep_ms, keys.spent(utcnow().date())]
        for row in rows:
            arguments.extend(row)
        sent = time.monotonic()
        now_ms, self._held, *answers = await self._script(*arguments)
        self._clock.observe(sent, time.monotonic(), now_ms)
        return list(answers)

    async def recall(self, once: Once) -> UUID | None:
        """The queue id that the key was given, if it came with the same request. Raises Unavailable."""
        try:
            value: Any = await self._redis.get(keys.once(once.key))
        except (RedisError, OSError) as error:
            raise Unavailable("the ledger does not answer; nothing was promised", retry_after=5.0) from error
        return known_before(value[64:]) if value and value[:64] == once.fingerprint.encode() else None


def _weight(row: Row) -> int:
    return len(row[1]) + len(row[2])
