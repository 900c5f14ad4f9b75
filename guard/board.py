"""Where worker processes tell one another what a provider bears, and find their shares: Redis, by adapt.lua.

Whoever comes when it is time looks at what all reported, and keeps the new limits; the others take them from there.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, NamedTuple

from pydantic import ValidationError
from redis.asyncio import Redis

from contracts.encoding import dumps, loads
from contracts.enums import LLMProviderType
from guard.announced import Said
from guard.control import Control, Process, shares
from guard.turnstile import Share, Tally
from ledger.scripts import Script

#: Seconds between two looks at what happened.
LOOK_SECONDS = 0.25

#: A pause between two looks counts as this many seconds at most: nothing was reported for the rest of it.
LONGEST_LOOK_SECONDS = 2.0

#: A process that did not report for so long has no share, in seconds.
MISSED_SECONDS = 3.0

#: What was found is remembered for so long after the last report, in seconds.
MEMORY_SECONDS = 3600.0

_REQUESTS, _TOKENS = "=requests", "=tokens"
_AMOUNTS = {field.name for field in fields(Tally)}
_PROCESS_FIELDS = tuple(field.name for field in fields(Process))


class Report(NamedTuple):
    """What one process tells; `said`: what headers said last of requests and of tokens."""

    process: Process
    tally: Tally
    said: tuple[Said | None, Said | None] = (None, None)


class Word(NamedTuple):
    """What it is told: its share, and the limits of all processes."""

    share: Share
    control: Control
    before: Control | None = None
    """The limits before, where this process looked."""


class Board:
    """One provider's, as one process sees it."""

    def __init__(self, redis: Redis, provider: LLMProviderType, owner: str) -> None:
        self._script = Script(redis, "adapt", package="guard")
        self._provider = provider.value
        self._owner = owner

    async def report(self, report: Report) -> Word:
        """Tell what happened since the last report, and learn this process' share.

        Raises
        ------
        RedisError, OSError
            Redis does not answer.
        """
        row = dumps(asdict(report.process))
        reply = await self._script(
            "report", self._provider, self._owner, _ms(MISSED_SECONDS), _ms(LOOK_SECONDS), row, *_amounts(report)
        )
        time, kept, rows, *turn = reply
        now, alive = time / 1000, _pairs(rows)
        read = {name: process for name, row in alive.items() if (process := _process(row)) is not None}
        # Its own row is there, whatever else is: it was written in this very step.
        read.setdefault(self._owner, report.process)
        names = sorted(read)
        processes = [read[name] for name in names]
        control, before = _control(kept), None
        if turn:
            passed, sums = turn[0] / 1000, _pairs(turn[1])
            before = control.model_copy(deep=True)
            control.look(_tally(sums), _said(sums), processes, now, min(passed, LONGEST_LOOK_SECONDS))
            await self._script("keep", self._provider, str(time), control.model_dump_json(), _ms(MEMORY_SECONDS))
        share = shares(control, processes, now)[names.index(self._owner)]
        return Word(share, control, before)

    async def leave(self) -> None:
        """The process ends: others get its share at once. Raises RedisError or OSError where Redis does not answer."""
        await self._script("leave", self._provider, self._owner)


def _amounts(report: Report) -> Iterable[str | bytes]:
    for name, amount in asdict(report.tally).items():
        if amount:
            yield from (name, repr(amount))
    for name, said in zip((_REQUESTS, _TOKENS), report.said, strict=True):
        if said is not None:
            yield from (name, said.model_dump_json())


def _tally(sums: dict[str, bytes]) -> Tally:
    counted = {name: float(amount) for name, amount in sums.items() if name in _AMOUNTS}
    seconds = counted.pop("seconds", 0.0)
    return Tally(seconds=seconds, **{name: round(amount) for name, amount in counted.items()})


def _said(sums: dict[str, bytes]) -> tuple[Said | None, Said | None]:
    requests, tokens = (sums.get(name) for name in (_REQUESTS, _TOKENS))
    return _read(requests), _read(tokens)


def _read(told: bytes | None) -> Said | None:
    try:
        return None if told is None else Said.model_validate_json(told)
    except ValidationError:  # a newer version's
        return None


def _process(row: bytes) -> Process | None:
    """A peer's row, without what a newer version adds; None where it cannot be read."""
    try:
        told = loads(row)
        return Process(**{name: told[name] for name in _PROCESS_FIELDS if name in told})
    except (ValueError, TypeError):
        return None


def _control(kept: bytes) -> Control:
    """What another version of the service kept is not understood: it is found anew."""
    try:
        return Control.model_validate_json(kept) if kept else Control()
    except ValidationError:
        return Control()


def _pairs(flat: list[Any]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
