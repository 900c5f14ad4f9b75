"""Derives settings from a sweep, by Little's law: calls in flight = comparisons a second × seconds of each. Pure,
except for the number of cores.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from cli.tune.level import LoadLevel, find_knee, is_limited, usable
from contracts.enums import LLMProviderType
from contracts.settings import Settings
from guard.limits import Bucket

#: Share of one core that a worker's event loop may use: above it, calls wait for the process, not for the provider.
LOOP_SHARE = 0.8

#: Seconds that a slot is occupied in addition to its call, since claim and completion are round trips to Redis. A
#: little more than the time that the service adds to one comparison alone (docs/performance.md, line 3 of the figures).
SLOT_SECONDS = 0.013

#: Factor by which the slots exceed the result of Little's law, since latency varies.
HEADROOM = 1.25

#: An attempt may take this many times the measured p99: a sweep of minutes does not see a provider's bad day.
ATTEMPT_P99S = 4.0

#: Share of the deadline that is left for the attempts themselves (contracts/settings/guard.py).
ATTEMPTS_SHARE = 0.9

#: Seconds by which the drain exceeds the deadline: time to write the last verdicts.
DRAIN_REST = 5.0

#: If this process adds more than this share to a call's time, the sweep measures the machine, not the provider.
LATE_SHARE = 0.1

#: CPU seconds of a worker process for one comparison on the machine of docs/performance.md ("worker", 20 ms from a
#: backlog, rounded up). Used if no call was measured.
WORKER_CPU_SECONDS = 0.002

#: The part of it without the SDK's call: claim, limits, verdict, event.
OWN_CPU_SECONDS = 0.0012

#: A level with fewer calls is not used: the process's constant work would be divided among too few calls.
_ENOUGH_CALLS = 20

_MS, _HOUR = 1000, 3600


@dataclass(frozen=True, slots=True)
class Quota:
    """A provider's limits per minute; None: unknown."""

    rpm: int | None = None
    tpm: int | None = None
    #: Where the limits come from, for messages.
    source: str = ""

    def rates(self, tokens: float) -> dict[str, float]:
        """Comparisons a second that each limit allows at `tokens` tokens each: the rate limiter's steady rate."""
        found = {}
        if self.rpm:
            found["RPM"] = Bucket.of(self.rpm, unit=1).rate
        if self.tpm and tokens:
            found["TPM"] = Bucket.of(self.tpm, unit=0).rate / tokens
        return found


@dataclass(frozen=True, slots=True)
class Machine:
    #: Cores that this process may use.
    cores: int
    #: CPU seconds of one comparison in a worker process.
    comparison: float = WORKER_CPU_SECONDS
    #: The measured part of it that the provider's call takes; None: not measured.
    call: float | None = None

    @classmethod
    def here(cls, levels: Sequence[LoadLevel]) -> "Machine":
        measured = [level.cpu for level in levels if level.cpu > 0 and level.calls >= _ENOUGH_CALLS]
        if not measured:
            return cls(cores())
        # The least, since in a busy level this process's constant work is divided among the most calls.
        return cls(cores(), min(measured) + OWN_CPU_SECONDS, min(measured))


def cores() -> int:
    """Cores that this process may use: in a container or under taskset fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Setting:
    variable: str
    value: int | float
    because: str

    @property
    def export(self) -> str:
        return f"export {self.variable}={int(self.value) if self.value == int(self.value) else self.value}"


@dataclass(frozen=True, slots=True)
class Advice:
    #: Comparisons a second that the settings are for.
    rate: float
    #: What limits the rate: knee, RPM, TPM or target; empty: no limit was seen.
    bound: str
    knee: LoadLevel
    #: Whether more calls in flight than at the knee brought no more verdicts: the provider is the limit.
    limited: bool
    #: Comparisons a second that each bound allows.
    bounds: dict[str, float]
    processes: int
    #: USD an hour at that rate; None: the price is unknown.
    hourly: float | None
    settings: list[Setting]
    notes: list[str] = field(default_factory=list)


def advise(
    levels: Sequence[LoadLevel],
    quota: Quota,
    provider: LLMProviderType,
    now: Settings,
    target: float | None = None,
    machine: Machine | None = None,
) -> Advice | None:
    """Settings for `target` comparisons a second, or else for as many as knee and quota allow.

    `now`: the current settings. Returns None if there is no usable level.
    """
    knee = find_knee(levels)
    if knee is None:
        return None
    limited = is_limited(levels, knee)
    bounds = quota.rates(knee.tokens) | ({"knee": knee.rate} if limited else {})
    ceiling = min(bounds, key=lambda name: bounds[name], default="")
    wanted = knee.rate if target is None else target
    bound = "" if target is None else "target"
    if ceiling and bounds[ceiling] <= wanted:
        wanted, bound = bounds[ceiling], ceiling
    at = next((level for level in usable(levels) if level.rate >= wanted), knee)
    machine = machine or Machine.here(levels)
    processes = max(1, math.ceil(wanted * machine.comparison / LOOP_SHARE))
    return Advice(
        rate=wanted,
        bound=bound,
        knee=knee,
        limited=limited,
        bounds=bounds,
        processes=processes,
        hourly=None if knee.cost is None else _HOUR * wanted * knee.cost / max(1, knee.verdicts),
        settings=[
            _slots(wanted, at, knee if limited else None, processes, provider),
            _processes(wanted, processes, machine, provider),
            *_limits(quota, provider),
            *_times(at, now),
        ],
        notes=_notes(levels, knee, machine, limited=limited, target=target, wanted=wanted, bound=bound),
    )


def _slots(rate: float, at: LoadLevel, knee: LoadLevel | None, processes: int, provider: LLMProviderType) -> Setting:
    seconds = at.latency.mean if at.latency else 0.0
    needed = rate * (seconds + SLOT_SECONDS)
    total = math.ceil(HEADROOM * needed)
    rest = f"plus {100 * (HEADROOM - 1):.0f} %"
    if knee is not None and total > knee.concurrency:
        total = max(knee.concurrency, math.ceil(needed))
        rest = f"up to the knee's {knee.concurrency}"
    because = f"{rate:.1f}/s × ({seconds:.3g} s + {SLOT_SECONDS:g} s) = {needed:.0f} slots, {rest}"
    if processes > 1:
        because += f", over {processes} processes"
    return Setting(f"UMPIRE_{provider.value.upper()}_CONCURRENCY", max(1, math.ceil(total / processes)), because)


def _processes(rate: float, processes: int, machine: Machine, provider: LLMProviderType) -> Setting:
    needed = rate * machine.comparison
    each = f"{_MS * machine.comparison:.2g} ms"
    if machine.call is not None:
        each += f" (a call takes {_MS * machine.call:.2g} ms here)"
    because = (
        f"{rate:.1f}/s × {each} = {needed:.2g} of this machine's {machine.cores} cores, {LOOP_SHARE:g} of one for each"
    )
    return Setting(f"UMPIRE_{provider.value.upper()}_PROCESSES", processes, because)


def _limits(quota: Quota, provider: LLMProviderType) -> list[Setting]:
    return [
        Setting(f"UMPIRE_{provider.value.upper()}_{name}", value, f"the limit a minute, {quota.source}")
        for name, value in (("RPM", quota.rpm), ("TPM", quota.tpm))
        if value
    ]


def _times(at: LoadLevel, now: Settings) -> list[Setting]:
    p99 = at.latency.p99 if at.latency else 0.0
    attempts = now.retry.retry_attempts
    needed = ATTEMPT_P99S * p99 * attempts / ATTEMPTS_SHARE
    deadline = now.retry.call_deadline_seconds
    because = f"{attempts} attempts of {ATTEMPT_P99S:g} × the p99 ({p99:.3g} s) need {needed:.3g} s: no change"
    if needed > deadline:
        deadline = float(math.ceil(needed))
        because = f"{attempts} attempts, each of {ATTEMPT_P99S:g} × the p99 ({p99:.3g} s), and their waits"
    drain = max(now.worker.drain_seconds, deadline + DRAIN_REST)
    return [
        Setting("UMPIRE_CALL_DEADLINE_SECONDS", deadline, because),
        Setting(
            "UMPIRE_DRAIN_SECONDS",
            drain,
            f"longer than the deadline of {deadline:g} s: SIGTERM then interrupts no call",
        ),
    ]


def _notes(
    levels: Sequence[LoadLevel],
    knee: LoadLevel,
    machine: Machine,
    *,
    limited: bool,
    target: float | None,
    wanted: float,
    bound: str,
) -> list[str]:
    notes = []
    if target is not None and wanted < target:
        notes.append(f"{target:g}/s is more than possible: {bound} allows {wanted:.1f}/s.")
    if target is not None and wanted > knee.rate:
        notes.append(
            f"{wanted:.1f}/s was not measured, only calculated from {knee.rate:.1f}/s; measure with higher --levels."
        )
    if not limited:
        notes.append(
            f"No knee was reached: the highest level, {knee.concurrency} in flight, was the fastest. Try more."
        )
    late = [
        level
        for level in levels
        if level.concurrency >= knee.concurrency and level.latency and level.late > LATE_SHARE * level.latency.p50
    ]
    if late:
        notes.append(
            f"At {late[0].concurrency} in flight this process was late by {_MS * late[0].late:.0f} ms on "
            "average. There the measurement shows this machine, not the provider."
        )
    if (needed := wanted * machine.comparison) > machine.cores:
        short = f"The workers alone need {needed:.1f} cores, and this machine has {machine.cores}"
        notes.append(f"{short}: spread the processes over several machines.")
    return notes
