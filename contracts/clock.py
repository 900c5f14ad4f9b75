"""The one clock of wall time. Durations are measured with time.monotonic; leases by Redis' own TIME."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache


def utcnow() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Of a moment in UTC."""
    return moment.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def iso_now() -> str:
    """`iso(utcnow())`, for events: within a second only the milliseconds are written anew."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def from_ms(milliseconds: int) -> datetime:
    """A moment from milliseconds since the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def until_midnight(moment: datetime) -> float:
    """Seconds until the next day begins, UTC."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1) - moment).total_seconds()
