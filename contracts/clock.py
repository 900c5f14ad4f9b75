"""Wall-clock time, as datetimes and as text. Durations are measured with time.monotonic, leases with Redis' TIME."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache


def utcnow() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 with milliseconds and `Z`. `moment` is in UTC."""
    return moment.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def iso_now() -> str:
    """As `iso(utcnow())`, but faster, for events: all but the milliseconds is formatted once a second."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def from_ms(milliseconds: int) -> datetime:
    """The time in UTC, from milliseconds since the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def duration_ms(seconds: float) -> int:
    """A duration in whole milliseconds."""
    return round(1000 * seconds)


def until_midnight(moment: datetime) -> float:
    """Seconds until the next midnight UTC."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1) - moment).total_seconds()
