"""Parses the `error` of a body in all shapes that providers, and gateways in front of them, use. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.answers.fields import document, items, mapping, text
from providers.answers.response_headers import seconds_of

#: OpenRouter's message for an error of the provider behind it; that provider's own error is then in `metadata.raw`.
_PASSED_ON = "Provider returned error"

_LOWEST_STATUS, _HIGHEST_STATUS = 400, 599


@dataclass(frozen=True, slots=True)
class ErrorObject:
    #: The HTTP status that the error object names; None: it names none.
    status: int | None = None
    #: Its codes, from the most to the least precise. They come from a body, so they may be any text.
    codes: tuple[str, ...] = ()
    #: May quote the prompt, so it is only compared with known phrases and never shown.
    message: str = field(default="", repr=False)
    #: In seconds.
    retry_after: float | None = None


def parse_error_object(value: Any) -> ErrorObject | None:
    """Parse an `error` field, or a body that has one. None if it holds no information."""
    if isinstance(value, list):
        value = next(iter(items(value)), None)
    if isinstance(value, dict) and isinstance(value.get("error"), dict | str):
        value = value["error"]
    if isinstance(value, str):
        return ErrorObject(message=value) if value else None
    if not isinstance(value, dict) or not any(one not in (None, "", [], {}) for one in value.values()):
        return None
    details, metadata = value.get("details"), mapping(value.get("metadata"))
    inner = _passed_on(value, metadata)
    return ErrorObject(
        status=_status(value.get("code")) or _status(value.get("status")),
        codes=(*_codes(value, details, metadata), *inner.codes),
        message=inner.message or text(value.get("message")),
        retry_after=_retry_delay(details),
    )


def _status(value: Any) -> int | None:
    """An HTTP error status, given as a number or as a string of digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == len(str(_HIGHEST_STATUS)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LOWEST_STATUS <= value <= _HIGHEST_STATUS:
        return None
    return int(value)


def _codes(error: Mapping[str, Any], details: Any, metadata: Mapping[str, Any]) -> tuple[str, ...]:
    named = [
        *(detail.get(name) for detail in items(details) for name in ("error_code", "reason")),
        metadata.get("error_type"),
        # The reasons for which OpenRouter's moderation flagged the prompt (status 403).
        "content_filter" if metadata.get("reasons") else None,
        *(error.get(name) for name in ("code", "type", "status")),
    ]
    return tuple(code for code in named if isinstance(code, str) and not code.isdigit())


def _passed_on(error: Mapping[str, Any], metadata: Mapping[str, Any]) -> ErrorObject:
    """The error of the provider behind OpenRouter."""
    raw = metadata.get("raw")
    if error.get("message") != _PASSED_ON or not isinstance(raw, str):
        return ErrorObject()
    body = document(raw)
    return ErrorObject(message=raw) if body is None else parse_error_object(body) or ErrorObject()


def _retry_delay(details: Any) -> float | None:
    """Seconds from the RetryInfo of Google's errors."""
    delays = (seconds_of(delay) for detail in items(details) if isinstance(delay := detail.get("retryDelay"), str))
    return next((delay for delay in delays if delay is not None), None)
