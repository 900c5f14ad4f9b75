"""The adaptive limits of one provider for all its workers, and the share of each. Pure: exchange.py stores them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from guard.adaptive.concurrency import Concurrency
from guard.adaptive.header_rate import HeaderLimit, HeaderRate
from guard.adaptive.local import Allocation, CallCounts
from guard.adaptive.start_rate import StartRate

#: In seconds. Refusals within FALL_SECONDS of a fall of the proven level belong to it. Another fall later, within
#: AGAIN_SECONDS, means that the provider limits the rate of calls, and not the calls in flight.
FALL_SECONDS, AGAIN_SECONDS = 8.0, 45.0

#: A fall of the proven level to this share of its height, or lower, is due to a rate limit: no provider lowers a limit
#: on calls in flight that far.
NEXT_TO_NOTHING = 0.25

#: Weight of the latest update in the average of tokens for each call.
TOKENS_WEIGHT = 0.2

#: If fewer calls may be in flight than there are processes, the processes take turns of this many seconds. Not shorter:
#: when a turn ends, its calls are still in flight.
TURN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """`ceiling`: its slots; `local`: the limit that it applies now; `wants`: it has requests that wait for a call."""

    ceiling: int
    local: int
    wants: bool = True


class Controller(BaseModel):
    """The limits of one provider, as stored in Redis for all its processes. Times are of Redis' clock, in seconds."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    concurrency: Concurrency = Concurrency()
    start_rate: StartRate = Field(default=StartRate(), alias="cadence")
    requests: HeaderRate = HeaderRate()
    tokens: HeaderRate = HeaderRate()
    tokens_a_call: float = 0.0
    fell: float = -AGAIN_SECONDS
    """When the proven level was last refused …"""
    height: float = 0.0
    """… and the highest level that it fell from."""
    rate: float | None = None
    """Starts a second, by the lowest of the rate limits; None: there is none."""
    announced: bool = False
    """Whether `rate` is by the provider's rate-limit headers."""

    def update(
        self,
        seen: CallCounts,
        headers: tuple[HeaderLimit | None, HeaderLimit | None],
        processes: Sequence[Process],
        now: float,
        seconds: float,
    ) -> None:
        """Adjust to the counts of all processes in the last `seconds`, and to the latest headers (requests, tokens)."""
        ceilings = [process.ceiling for process in processes]
        if seen.answers:
            mean = seen.tokens / seen.answers
            self.tokens_a_call += TOKENS_WEIGHT * (mean - self.tokens_a_call) if self.tokens_a_call else mean
        accepted = seen.starts - seen.refused
        self.requests.observe(headers[0], accepted, now, seconds)
        self.tokens.observe(headers[1], accepted * self.tokens_a_call, now, seconds)
        self.start_rate.measure(seen, seconds)
        paced = self.start_rate.rate is not None or self.requests.used_up(now) or self.tokens.used_up(now)
        before = self.concurrency.proven
        local = sum(process.local for process in processes)
        if self.concurrency.update(seen, local, ceilings, now, seconds, paced=paced):
            self._fall(before, now)
        self.start_rate.update(seen, now, seconds)
        rates = [self.start_rate.rate, self.requests.rate(now)]
        by_tokens = self.tokens.rate(now)
        rates.append(by_tokens / self.tokens_a_call if by_tokens is not None and self.tokens_a_call else None)
        self.rate = min((rate for rate in rates if rate is not None), default=None)
        self.announced = self.rate is not None and self.rate in rates[1:]

    def _fall(self, before: float, now: float) -> None:
        """The proven level is refused. Once: the limit in flight was lowered. Again soon: the rate is limited."""
        passed = now - self.fell
        again = FALL_SECONDS < passed <= AGAIN_SECONDS
        if passed > AGAIN_SECONDS:
            self.height = before
            self.start_rate.forget()
        self.height = max(self.height, before)
        self.fell = now
        if (again or before <= 1 or self.start_rate.base) and self.start_rate.begin(now):
            held = self.height if before <= NEXT_TO_NOTHING * self.height else before
            self.concurrency.limit = self.concurrency.proven = held


def allocations(control: Controller, processes: Sequence[Process], now: float) -> list[Allocation]:
    """Each process' share, in their order. Together they may have as many calls in flight as the limit."""
    limits = split(int(control.concurrency.limit), processes, now)
    proven = split(int(control.concurrency.proven), processes, now)
    rate = math.inf if control.rate is None else control.rate / len(processes)
    smooth = control.concurrency.settled
    return [Allocation(*parts, rate, smooth, control.announced) for parts in zip(limits, proven, strict=True)]


def split(limit: int, processes: Sequence[Process], now: float) -> list[int]:
    """Even parts of the limit, none above its process' ceiling.

    If the limit is less than the number of processes that want calls, they take turns to have one each.
    """
    parts = [0] * len(processes)
    wanting = [i for i, process in enumerate(processes) if process.wants] or list(range(len(processes)))
    if limit < len(wanting):
        turn = int(now / TURN_SECONDS)
        for place in range(limit):
            parts[wanting[(turn + place) % len(wanting)]] = 1
        return parts
    while limit > 0:
        growing = [i for i, process in enumerate(processes) if parts[i] < process.ceiling]
        for place, i in enumerate(growing):
            # The first ones get the remainder of the division.
            given = min(-(-limit // (len(growing) - place)), processes[i].ceiling - parts[i])
            parts[i] += given
            limit -= given
        if not growing:
            break
    return parts
