"""An answer of the Gemini API, read: body to completion, and what its errors say. Pure."""

from collections.abc import Mapping
from typing import Any

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers import failure
from providers.base import Completion, StopReason, Usage, answering, stop_word
from providers.headers import retry_after, seconds_of
from providers.reading import Counts, document, items, mapping, text
from providers.reported import error_of, is_error, settled

_CODES = failure.Codes(
    # Reasons of ErrorInfo: a bad key is a 400 here.
    credentials=frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "CONSUMER_SUSPENDED"}),
    spend=frozenset({"BILLING_DISABLED"}),
)

_STOPS = {
    "STOP": StopReason.END,
    "MAX_TOKENS": StopReason.LENGTH,
    # Gemini 4 offers to go on in another call: each call of ours is one call upstream.
    "CONTINUATION": StopReason.LENGTH,
    "SAFETY": StopReason.REFUSAL,
    "BLOCKLIST": StopReason.REFUSAL,
    "PROHIBITED_CONTENT": StopReason.REFUSAL,
    "SPII": StopReason.REFUSAL,
    "MODEL_ARMOR": StopReason.REFUSAL,
    # The same prompt would be refused again.
    "RECITATION": StopReason.REFUSAL,
    "LANGUAGE": StopReason.REFUSAL,
}


def completion(body: bytes | str, model: str, headers: Mapping[str, str] | None = None) -> Completion:
    """`model` is what was asked for.

    Raises
    ------
    ParsingError
        The body is no answer.
    UmpireError
        What an error in it says.
    """
    answer = document(body)
    if answer is None:
        raise failure.unreadable(LLMProviderType.GOOGLE)
    error = answer.get("error")
    candidate = next(iter(items(answer.get("candidates"))), {})
    blocked = text(mapping(answer.get("promptFeedback")).get("blockReason"))
    stop = candidate.get("finishReason")
    reason = _STOPS.get(stop, StopReason.OTHER) if isinstance(stop, str) else StopReason.OTHER
    parts = items(mapping(candidate.get("content")).get("parts"))
    found = Completion(
        text="".join(text(part.get("text")) for part in parts if part.get("thought") is not True),
        model=answering(text(answer.get("modelVersion")), model),
        usage=_usage(answer.get("usageMetadata")),
        stop_reason=reason,
        stopped=stop_word(blocked) or ("" if reason is StopReason.END else stop_word(stop)),
    )
    if is_error(error):
        return settled(found, error=_reported(error, headers or {}))
    return settled(found, refused=True) if blocked else found


def _usage(value: Any) -> Usage:
    counts = Counts(value)
    input_tokens, thoughts = counts.needed("promptTokenCount"), counts.optional("thoughtsTokenCount")
    return Usage(
        input_tokens=input_tokens,
        # Google counts thoughts apart from the answer, and charges them like it.
        output_tokens=counts.needed("candidatesTokenCount") + thoughts,
        cached_tokens=counts.inside(counts.optional("cachedContentTokenCount"), input_tokens),
        reasoning_tokens=thoughts,
        known=counts.known,
    )


def reported(status: int, body: Any, headers: Mapping[str, str]) -> UmpireError:
    """The error class for an answer with an error status; `body` is its JSON, parsed."""
    return _reported(mapping(body).get("error"), headers, status)


def _reported(error: Any, headers: Mapping[str, str], status: int = 0) -> UmpireError:
    # RetryInfo has the delay, ErrorInfo the reason.
    details = items(mapping(error).get("details"))
    delays = (seconds_of(text(detail.get("retryDelay"))) for detail in details if detail.get("retryDelay"))
    wait = next((delay for delay in delays if delay is not None), None)
    asked = failure.Answered(LLMProviderType.GOOGLE, status, (), None, retry_after(headers) if wait is None else wait)
    return error_of(error, _CODES, asked, more_codes=tuple(detail.get("reason") for detail in details))
