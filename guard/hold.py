"""Holds: a provider whose account is at fault, or one of its models, gets no calls except a probe now and then.

guard/hold.lua holds the rules; docs/decisions/0016-holds.md says why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import duration_ms, from_ms
from contracts.enums import HoldReason, LLMProviderType
from contracts.errors import ProviderError
from contracts.settings import HoldSettings
from guard.arguments import HoldAnnounce, HoldHead, HoldLease, HoldPause, HoldRaise, HoldSettle
from ledger.scripts import Script
from telemetry.observer import Note, Observer, silent

#: The first probe of a hold comes after this many seconds, sooner than later ones: if the fault was one request's own,
#: other requests wait no longer than this. With one probe a minute, no minute has more than two.
FIRST_PROBE_SECONDS = 5.0

#: Fields of a hold's hash that other modules read, in the order that `read_hold` takes them.
FIELDS = ("reason", "since", "probe", "owner", "lease", "paused", "until", "text")


@dataclass(frozen=True, slots=True)
class Hold:
    """`since`, `ends`: ms of Redis' clock; `ends` is 0 if unknown. `probe_in`: ms until a probe may start, 0: now;
    None: it is never probed. `text`: the operator's comment.
    """

    reason: HoldReason
    since: int
    ends: int = 0
    probe_in: int | None = None
    text: str = ""

    @property
    def began(self) -> datetime:
        return from_ms(self.since)


def read_hold(values: Sequence[bytes | None], now: int) -> Hold | None:
    """The hold, from its hash's `FIELDS`, at the time `now` of Redis' clock. A manual hold hides an automatic one."""
    reason, since, probe, owner, lease, paused, until, text = values
    ends = whole(until)
    if paused and not 0 < ends <= now:
        comment = (text or b"").decode(errors="replace")
        return Hold(HoldReason.MANUAL, whole(paused), ends, None, comment)
    if not reason:
        return None
    due = max(whole(probe), whole(lease) if owner else 0)
    return Hold(_reason(reason), whole(since), 0, max(0, due - now))


def _reason(value: bytes) -> HoldReason:
    try:
        return HoldReason(value.decode())
    except ValueError:  # from a newer version: on hold all the same
        return HoldReason.MISCONFIGURED


def number(value: bytes | None) -> float | None:
    """None if there is no number, or only a newer version can read it."""
    try:
        found = float(value) if value else None
    except ValueError:
        return None
    return found if found is not None and math.isfinite(found) else None


def whole(value: bytes | None) -> int:
    """0 if there is no number."""
    return int(number(value) or 0)


class Outcome(StrEnum):
    """What a call that was refused for a fault of the account led to: see hold.lua."""

    HELD = "held"
    STALE = "stale"
    OWN = "own"


class Raised(NamedTuple):
    outcome: Outcome
    #: To be kept with the request, and passed to `raise_` when a later call of it is refused.
    mark: int


class Holds:
    """The holds of one provider and its models, as one worker process sees them.

    Nothing here raises: if Redis does not answer, "hold.unreported" is noted.
    """

    def __init__(
        self, redis: Redis, provider: LLMProviderType, settings: HoldSettings, observer: Observer = silent
    ) -> None:
        self._script = Script(redis, "hold", package="guard")
        self._provider = provider.value
        self._probe_ms = duration_ms(settings.hold_probe_seconds)
        self._first_ms = min(self._probe_ms, duration_ms(FIRST_PROBE_SECONDS))
        self._observer = observer

    async def raise_(
        self, error: ProviderError, seconds: float, *, model: str = "", mark: int | None = None, probe: str = ""
    ) -> Raised | None:
        """Raise the hold: a call that took `seconds` was refused with this error. None: Redis does not know it yet.

        `mark`: returned when the same request raised the hold before. `probe`: name of the probe, if the call was one.
        """
        reason = error.hold or HoldReason.MISCONFIGURED
        before = "" if mark is None else str(mark)
        call = HoldRaise(
            reason.value, error.code.value, duration_ms(seconds), before, probe, self._first_ms, self._probe_ms
        )
        reply = await self._run("raise", model, call)
        return None if reply is None else Raised(Outcome(reply[0].decode()), int(reply[1]))

    async def lease_probe(self, owner: str, seconds: float, *, model: str = "") -> bool:
        """Lease the probe for `seconds`. False: no probe is due, or another one holds the lease."""
        return bool(await self._run("lease", model, HoldLease(owner, duration_ms(seconds))))

    async def probe_succeeded(self, owner: str, *, model: str = "") -> bool:
        """The probe got an answer: lift the hold. False: there was no hold any more."""
        return bool(await self._run("settle", model, HoldSettle(owner, "success", self._probe_ms)))

    async def probe_failed(self, owner: str, *, model: str = "") -> None:
        """The probe got no answer, for another reason than the hold's: the next one is due after the usual time."""
        await self._run("settle", model, HoldSettle(owner, "failure", self._probe_ms))

    async def probe_released(self, owner: str, *, model: str = "") -> None:
        """The probe made no call. Does nothing if its outcome was reported."""
        await self._run("settle", model, HoldSettle(owner, "none", self._probe_ms))

    async def announce(self, state: str) -> bool | None:
        """Whether this process is the first to see this state of the provider's hold, and has to publish it; None:
        Redis does not answer.
        """
        reply = await self._run("announce", "", HoldAnnounce(state))
        return None if reply is None else bool(reply)

    async def _run(self, operation: str, model: str, arguments: tuple[str | float, ...]) -> Any:
        """Run the script. None: Redis did not answer."""
        try:
            return await self._script(*HoldHead(operation, self._provider, model), *arguments)
        except (RedisError, OSError) as error:
            labels = {"provider": self._provider, "operation": operation}
            self._observer(Note("hold.unreported", "warning", labels, fields={"error": type(error).__name__}))
            return None


class Resumed(NamedTuple):
    was_paused: bool
    #: Reason of the automatic hold that remains; None: there is none.
    reason: HoldReason | None


async def pause(redis: Redis, provider: LLMProviderType, seconds: float | None, text: str) -> None:
    """Set a manual hold for `seconds`; None: until `resume`. Raises RedisError or OSError."""
    length = 0 if seconds is None else max(1, duration_ms(seconds))
    head = HoldHead("pause", provider.value, model="")
    await Script(redis, "hold", package="guard")(*head, *HoldPause(length, text))


async def resume(redis: Redis, provider: LLMProviderType) -> Resumed:
    """End the manual hold, and make the probe of an automatic one due at once. Raises RedisError or OSError."""
    was, reason = await Script(redis, "hold", package="guard")(*HoldHead("resume", provider.value, model=""))
    return Resumed(bool(was), _reason(reason) if reason else None)
