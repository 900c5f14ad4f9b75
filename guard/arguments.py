"""Arguments of the Lua scripts, in the order in which each reads them from ARGV. tests/guard/test_scripts.py compares
names and order with the `unpack` lines of the scripts; the comment at the top of each script says what they mean.

breaker, hold and adapt begin with their head and go on with the arguments of one operation.
"""

from typing import NamedTuple


class BreakerHead(NamedTuple):
    operation: str
    provider: str


class BreakerReport(NamedTuple):
    """Then the duration of each failed call, in ms."""

    successes: int
    mean_ms: float
    volume: int
    window_ms: int
    recovery_ms: int
    code: str


class BreakerLease(NamedTuple):
    prober: str
    lease_ms: int


class BreakerSettle(NamedTuple):
    prober: str
    outcome: str
    took_ms: int
    recovery_ms: int
    needed: int
    code: str


class HoldHead(NamedTuple):
    operation: str
    provider: str
    model: str


class HoldRaise(NamedTuple):
    why: str
    code: str
    took_ms: int
    mark: str
    prober: str
    first_ms: int
    between_ms: int


HoldLease = BreakerLease


class HoldSettle(NamedTuple):
    prober: str
    outcome: str
    between_ms: int


class HoldPause(NamedTuple):
    length_ms: int
    text: str


class HoldAnnounce(NamedTuple):
    state: str


class LimitsHead(NamedTuple):
    request_rate: float
    request_capacity: float
    token_rate: float
    token_capacity: float
    longest: float


class LimitsRow(NamedTuple):
    key: str
    kind: str
    requests: int
    tokens: int


class PauseHead(NamedTuple):
    provider: str
    length_ms: int
    slack_ms: int


AdaptHead = BreakerHead


class AdaptReport(NamedTuple):
    """Then pairs of a name and an amount or text."""

    process: str
    missed_ms: int
    between_ms: int
    row: bytes


class AdaptKeep(NamedTuple):
    reported: int
    limits: str
    keep_ms: int


class AdaptLeave(NamedTuple):
    process: str
