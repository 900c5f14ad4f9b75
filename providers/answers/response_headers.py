"""Reads providers' response headers: how long to wait, and how much of a rate limit is left. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from contracts.clock import utcnow
from providers.base import RateHeaders

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_DURATION_SECONDS = (3600.0, 60.0, 1.0, 0.001)

#: A bare number this large is a point in time (seconds or milliseconds since the epoch), not a duration.
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12

#: In seconds. Longer waits are cut to a day.
_LONGEST = 86_400.0


class RateNames(NamedTuple):
    """How a provider names its rate-limit headers: the limit, what remains, and when it resets."""

    requests: list[str]
    tokens: list[str]


def _names(pattern: str, what: str = "") -> list[str]:
    return [pattern.format(of=of, what=what) for of in ("limit", "remaining", "reset")]


def _both(pattern: str) -> RateNames:
    return RateNames(_names(pattern, "requests"), _names(pattern, "tokens"))


ANTHROPIC = _both("anthropic-ratelimit-{what}-{of}")
OPENAI = _both("x-ratelimit-{of}-{what}")
#: OpenRouter's own headers count requests; headers for tokens come only where it passes on a provider's headers.
OPENROUTER = RateNames(_names("x-ratelimit-{of}"), OPENAI.tokens)


def by_lower_case_name(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name. httpx2's mapping is slower: it searches all headers at each lookup."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def rate_headers(headers: Mapping[str, str], names: RateNames) -> RateHeaders | None:
    """The rate limits in the headers; None if there are none."""
    requests, tokens = _read(headers, names.requests), _read(headers, names.tokens)
    if requests == tokens == (None, None, None):
        return None
    return RateHeaders(*requests, *tokens)


def retry_after(headers: Mapping[str, str], names: RateNames | None = None) -> float | None:
    """Seconds to wait: what the provider asks for, or else the time until the used-up limit resets. None: unknown."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _wait(milliseconds / 1000)
    asked = headers.get("retry-after")
    if asked is not None:
        seconds = seconds_of(asked)
        return _wait(_until_date(asked) if seconds is None else seconds)
    if names is None:
        return None
    resets = [
        reset
        for _, remaining, reset in (_read(headers, names.requests), _read(headers, names.tokens))
        if reset is not None and not remaining
    ]
    return _wait(max(resets)) if resets else None


def seconds_of(text: str) -> float | None:
    """Seconds from now, between 0 and a day, from a duration (`12ms`, `6m0s`, `1.5s`, `30`), an RFC 3339 time or an
    epoch. None if the text is none of these.
    """
    number = _number(text)
    if number is not None:
        return _wait(_from_epoch(number))
    match = _DURATION.fullmatch(text.strip())
    if match and any(match.groups()):
        return _wait(
            sum(float(part) * unit for part, unit in zip(match.groups(), _DURATION_SECONDS, strict=True) if part)
        )
    try:
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        return None
    return _wait(_until(moment))


def _read(headers: Mapping[str, str], names: list[str]) -> tuple[int | None, int | None, float | None]:
    limit, remaining, reset = map(headers.get, names)
    return _count(limit), _count(remaining), None if reset is None else seconds_of(reset)


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _from_epoch(number: float) -> float:
    if number < _EPOCH_SECONDS:
        return number
    moment = number / 1000 if number >= _EPOCH_MILLISECONDS else number
    return moment - utcnow().timestamp()


def _until_date(text: str) -> float | None:
    try:
        return _until(parsedate_to_datetime(text))
    except (ValueError, OverflowError):  # such as a zone offset of twenty digits
        return None


def _until(moment: datetime) -> float | None:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return max(0.0, (aware - utcnow()).total_seconds())
    except OverflowError:
        return None


def _wait(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST)
