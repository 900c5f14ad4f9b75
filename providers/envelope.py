"""What the `error` of a body says, whatever its shape: the providers', and that of gateways before them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.headers import seconds_of
from providers.reading import document, items, mapping, text

#: What OpenRouter says itself of an error of the provider behind it, whose own words are then in `metadata.raw`.
_PASSED_ON = "Provider returned error"

_LOWEST_STATUS, _HIGHEST_STATUS = 400, 599


@dataclass(frozen=True, slots=True)
class Reported:
    #: The HTTP status that the error names itself; None: none.
    status: int | None = None
    #: Its codes, from the most to the least precise; out of a body, so they may be anything.
    codes: tuple[str, ...] = ()
    #: May quote the prompt: for comparisons, never to be shown.
    message: str = field(default="", repr=False)
    #: Seconds.
    retry_after: float | None = None


def reported(value: Any) -> Reported | None:
    """What an `error`, or a body with one, says. None: nothing."""
    if isinstance(value, list):
        value = next(iter(items(value)), None)
    if isinstance(value, dict) and isinstance(value.get("error"), dict | str):
        value = value["error"]
    if isinstance(value, str):
        return Reported(message=value) if value else None
    if not isinstance(value, dict) or not any(said not in (None, "", [], {}) for said in value.values()):
        return None
    details, metadata = value.get("details"), mapping(value.get("metadata"))
    inner = _passed_on(value, metadata)
    return Reported(
        status=_status(value.get("code")) or _status(value.get("status")),
        codes=(*_codes(value, details, metadata), *inner.codes),
        message=inner.message or text(value.get("message")),
        retry_after=_retry_delay(details),
    )


def _status(value: Any) -> int | None:
    """A number, or one in quotes."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == len(str(_HIGHEST_STATUS)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LOWEST_STATUS <= value <= _HIGHEST_STATUS:
        return None
    return int(value)


def _codes(error: Mapping[str, Any], details: Any, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    named = [
        *(detail.get(name) for detail in items(details) for name in ("error_code", "reason")),
        metadata.get("error_type"),
        # Why OpenRouter's moderation flagged the prompt (status 403).
        "content_filter" if metadata.get("reasons") else None,
        *(error.get(name) for name in ("code", "type", "status")),
    ]
    return tuple(code for code in named if isinstance(code, str) and not code.isdigit())


def _passed_on(error: Mapping[str, Any], metadata: Mapping[str, Any]) -> Reported:
    """What the provider behind OpenRouter said itself."""
    raw = metadata.get("raw")
    if error.get("message") != _PASSED_ON or not isinstance(raw, str):
        return Reported()
    body = document(raw)
    return Reported(message=raw) if body is None else reported(body) or Reported()


def _retry_delay(details: Any) -> float | None:
    """RetryInfo of Google's errors."""
    delays = (seconds_of(delay) for detail in items(details) if isinstance(delay := detail.get("retryDelay"), str))
    return next((delay for delay in delays if delay is not None), None)
