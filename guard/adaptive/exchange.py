"""Exchanges the adaptive limits of a provider between its worker processes, through Redis and adapt.lua.

The first process that reports after REPORT_SECONDS computes new limits from all reports and stores them; the others
read them. Each process computes its own share.
"""

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis

from contracts.clock import duration_ms
from contracts.encoding import dumps, loads
from contracts.enums import LLMProviderType
from guard.adaptive.controller import Controller, Process, allocations
from guard.adaptive.header_rate import HeaderLimit
from guard.adaptive.local import Allocation, CallCounts
from guard.arguments import AdaptHead, AdaptKeep, AdaptLeave, AdaptReport
from ledger.scripts import Argument, Script

#: Seconds between two reports of a process, and between two updates of the limits.
REPORT_SECONDS = 0.25

#: A longer time between two updates counts as this many seconds: nothing was reported in the rest of it.
LONGEST_UPDATE_SECONDS = 2.0

#: A process that has not reported for this many seconds gets no share.
MISSED_SECONDS = 3.0

#: Limits are kept for this many seconds after their last update.
MEMORY_SECONDS = 3600.0

_REQUESTS, _TOKENS = "=requests", "=tokens"
_AMOUNTS = {field.name for field in fields(CallCounts)}
_PROCESS_FIELDS = tuple(field.name for field in fields(Process))


ModelT = TypeVar("ModelT", bound=BaseModel)

Headers = tuple[HeaderLimit | None, HeaderLimit | None]


class LimitUpdate(NamedTuple):
    """What a process gets for its report: its share, and the limits of all processes."""

    allocation: Allocation
    control: Controller
    before: Controller | None = None
    """The previous limits, if this process updated them."""


class LimitExchange:
    """The exchange for one provider, as one process uses it."""

    def __init__(self, redis: Redis, provider: LLMProviderType, owner: str) -> None:
        self._script = Script(redis, "adapt", package="guard.adaptive")
        self._provider = provider.value
        self._owner = owner

    async def report(self, process: Process, counts: CallCounts, headers: Headers = (None, None)) -> LimitUpdate:
        """Report what happened since the last report, and get this process' share.

        `headers`: the latest rate-limit headers of requests and of tokens.

        Raises
        ------
        RedisError, OSError
            Redis does not answer.
        """
        row = dumps(asdict(process))
        head = AdaptReport(self._owner, duration_ms(MISSED_SECONDS), duration_ms(REPORT_SECONDS), row)
        time, kept, rows, *turn = await self._run("report", head, *_amounts(counts, headers))
        now, alive = time / 1000, _pairs(rows)
        read = {name: found for name, row in alive.items() if (found := _process(row)) is not None}
        # This process always counts: its row was written in this step, even if it cannot be read back.
        read.setdefault(self._owner, process)
        names = sorted(read)
        processes = [read[name] for name in names]
        control, before = _read(Controller, kept) or Controller(), None
        if turn:
            passed, sums = turn[0] / 1000, _pairs(turn[1])
            before = control.model_copy(deep=True)
            headers = _read(HeaderLimit, sums.get(_REQUESTS)), _read(HeaderLimit, sums.get(_TOKENS))
            control.update(_counts(sums), headers, processes, now, min(passed, LONGEST_UPDATE_SECONDS))
            await self._run("keep", AdaptKeep(time, control.model_dump_json(), duration_ms(MEMORY_SECONDS)))
        allocation = allocations(control, processes, now)[names.index(self._owner)]
        return LimitUpdate(allocation, control, before)

    async def leave(self) -> None:
        """The process ends: free its share at once. Raises RedisError or OSError if Redis is unavailable."""
        await self._run("leave", AdaptLeave(self._owner))

    async def _run(self, operation: str, arguments: tuple[Argument, ...], *amounts: Argument) -> Any:
        return await self._script(*AdaptHead(operation, self._provider), *arguments, *amounts)


def _amounts(counts: CallCounts, headers: Headers) -> Iterable[str | bytes]:
    for name, amount in asdict(counts).items():
        if amount:
            yield from (name, repr(amount))
    for name, limit in zip((_REQUESTS, _TOKENS), headers, strict=True):
        if limit is not None:
            yield from (name, limit.model_dump_json())


def _counts(sums: dict[str, bytes]) -> CallCounts:
    counted = {name: float(amount) for name, amount in sums.items() if name in _AMOUNTS}
    seconds = counted.pop("seconds", 0.0)
    return CallCounts(seconds=seconds, **{name: round(amount) for name, amount in counted.items()})


def _process(row: bytes) -> Process | None:
    """The process that a row describes, without fields that a newer version added; None: it cannot be read."""
    try:
        found = loads(row)
        return Process(**{name: found[name] for name in _PROCESS_FIELDS if name in found})
    except (ValueError, TypeError):
        return None


def _read(kind: type[ModelT], text: bytes | None) -> ModelT | None:
    """None if nothing is stored, or if another version stored it and this one cannot read it."""
    try:
        return kind.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _pairs(flat: list[Any]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
