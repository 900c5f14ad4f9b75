"""The maintenance loop: pushes due deferrals and lost pointers, takes back lapsed leases, ends expired requests. Every
worker process has one, and every API process in case no worker is alive; the one that holds the lock works.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from redis.exceptions import RedisError, ResponseError

from contracts.clock import iso
from contracts.enums import LLMProviderType, QueueStatus
from contracts.errors import InternalError, RequestExpired, UmpireError
from contracts.settings import LedgerSettings
from ledger.completion import CompletedBy
from ledger.sweeps import Orphan, Sweeps
from telemetry.observer import Note, Observer
from telemetry.outage import Outage

T = TypeVar("T")

#: Seconds between two checks: how late a deferred request may be.
TICK_SECONDS = 0.25

#: In seconds. If the difference between Redis' clock and ours changes by more between two checks, Redis' clock was set
#: or the machine slept.
JUMP_SECONDS = 1.0

#: A round trip longer than this, in seconds, means that Redis is not healthy: heartbeats may have been late as well.
HEALTHY_ROUND_TRIP_SECONDS = 1.0


#: Requests that are ended concurrently.
TOGETHER = 64


#: Ends a request and publishes its events. False if it had ended meanwhile, or this process may not end it.
End = Callable[[Orphan, UmpireError, QueueStatus, CompletedBy], Awaitable[bool]]


@dataclass
class _Chore:
    period: float
    run: Callable[[], Awaitable[None]]
    due: float = 0.0


@dataclass(eq=False)
class MaintenanceLoop:
    """`in_charge` takes or keeps the maintenance lock, and returns whether this process holds it.

    `unanswered` is called after every check that Redis did not answer.
    """

    sweeps: Sweeps
    settings: LedgerSettings
    in_charge: Callable[[], Awaitable[bool]]
    end: End
    observer: Observer
    unanswered: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._outage = Outage()
        self._well_since: float | None = None
        self._ahead: float | None = None
        """Redis' clock minus time.monotonic, in seconds, at the last check."""
        self.holds = False
        """Whether this process holds the maintenance lock."""
        self._chores = [
            _Chore(TICK_SECONDS, partial(self._push, "deferred_pushed", self.sweeps.push_due)),
            _Chore(1.0, self._take_back_lapsed),
            _Chore(1.0, self._expire),
            _Chore(2.0, partial(self._push, "pointer_pushed", self.sweeps.push_lost)),
        ]

    async def watch(self) -> None:
        """Call `run_once` every TICK_SECONDS. Never returns."""
        while True:
            started = time.monotonic()
            await self.run_once()
            await asyncio.sleep(max(0.0, TICK_SECONDS - (time.monotonic() - started)))

    async def run_once(self) -> None:
        """Check the lock, Redis' health and its clock; then, with the lock, run the sweeps that are due."""
        started = time.monotonic()
        try:
            self.holds = await self._timed(self.in_charge)
            await self._timed(self._follow_clock)
            self._outage.succeeded()
            self._well_since = self._well_since or time.monotonic()
            # The longest overdue first, so that a sweep which fails does not keep the others from running.
            for chore in sorted(self._chores, key=lambda chore: chore.due) if self.holds else ():
                if started >= chore.due:
                    chore.due = started + chore.period
                    await chore.run()
        except (RedisError, OSError) as error:
            self._well_since, self.holds = None, False
            fields = {"error": type(error).__name__}
            self.observer(Note("custodian.hindered", self._outage.failure_level(), fields=fields))
            if not isinstance(error, ResponseError):
                self.unanswered()

    async def _follow_clock(self) -> None:
        """Detect a jump of Redis' clock: it makes all leases lapse at once, although their workers still run."""
        ahead = await self.sweeps.now_ms() / 1000 - time.monotonic()
        if self._ahead is not None and abs(ahead - self._ahead) > JUMP_SECONDS:
            self._well_since = None
        self._ahead = ahead

    async def _timed(self, step: Callable[[], Awaitable[T]]) -> T:
        """Run `step`. If it takes long, Redis may have been frozen and does not count as healthy."""
        started = time.monotonic()
        done = await step()
        if time.monotonic() - started > HEALTHY_ROUND_TRIP_SECONDS:
            self._well_since = None
        return done

    @property
    def _well(self) -> bool:
        """Redis has been healthy for one full lease, so a worker whose lease lapsed has really stopped."""
        lease = self.settings.lease_seconds
        return self._well_since is not None and time.monotonic() - self._well_since >= lease

    async def _push(self, action: str, sweep: Callable[[LLMProviderType], Awaitable[int]]) -> None:
        for provider in LLMProviderType:
            self._note(action, await self._timed(partial(sweep, provider)))

    async def _take_back_lapsed(self) -> None:
        if not self._well:
            return
        lapsed, poison = await self._timed(self.sweeps.take_back_lapsed)
        self._note("lease_lapsed", lapsed)
        why = "the request was given up: its workers stopped while they ran it"
        given_up = [(left, InternalError(why, lapses=self.settings.max_lapses)) for left in poison]
        await self._end_all(given_up, QueueStatus.FAILED, CompletedBy.HOLDER)

    async def _expire(self) -> None:
        expired = await self._timed(self.sweeps.expired)
        late = [(left, expiry_of(left)) for left in expired]
        await self._end_all(late, QueueStatus.EXPIRED, CompletedBy.UNCLAIMED)

    async def _end_all(self, ended: Sequence[tuple[Orphan, UmpireError]], state: QueueStatus, by: CompletedBy) -> None:
        """End requests in groups of TOGETHER and time each group alone: thousands may end while Redis is healthy."""
        for start in range(0, len(ended), TOGETHER):
            some = ended[start : start + TOGETHER]
            await self._timed(partial(asyncio.gather, *(self._end(left, error, state, by) for left, error in some)))

    async def _end(self, left: Orphan, error: UmpireError, state: QueueStatus, by: CompletedBy) -> None:
        if await self.end(left, error, state, by):
            self._note(state.value, 1)

    def _note(self, action: str, count: int) -> None:
        if count:
            self.observer(Note("custodian.action", "info", labels={"action": action}, value=count))


def expiry_of(left: Orphan) -> RequestExpired:
    """The error of a request whose time to live is over. `details.hold`: the reason of its hold, if it was on hold."""
    expired_at = iso(left.stored.expires_at)
    if left.hold is None:
        return RequestExpired("no verdict within the request's time to live", expired_at=expired_at)
    return RequestExpired(
        f"no verdict within the request's time to live: {left.stored.provider.value} is on hold ({left.hold.value})",
        expired_at=expired_at,
        hold=left.hold.value,
    )
