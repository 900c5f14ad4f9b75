"""Parses an answer of OpenRouter: body to completion. An answer with status 200 can hold an error. Pure."""

from collections.abc import Mapping
from typing import Any

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers.answers.answer_error import answer_or_raise, error_of_object, is_error
from providers.answers.error_mapping import ErrorAnswer, unreadable_answer
from providers.answers.fields import Counts, amount, document, items, mapping, text
from providers.answers.openai_answer import CODES
from providers.answers.response_headers import OPENROUTER, rate_headers, retry_after
from providers.base import ProviderAnswer, StopReason, Usage, answer_model, safe_stop_reason

_STOPS = {
    "stop": StopReason.END,
    "length": StopReason.LENGTH,
    "content_filter": StopReason.REFUSAL,
}


def parse_answer(body: bytes, headers: Mapping[str, str], model: str) -> ProviderAnswer:
    """The completion in a body. `model` is the requested model.

    Raises
    ------
    ParsingError
        The body is not an answer of this API.
    UmpireError
        The answer reports an error.
    """
    answer = document(body)
    if answer is None:
        raise unreadable_answer(LLMProviderType.OPENROUTER)
    choices = items(answer.get("choices"))
    error = next((one for one in (answer.get("error"), *(c.get("error") for c in choices)) if is_error(one)), None)
    if not choices and error is None:
        raise unreadable_answer(LLMProviderType.OPENROUTER)
    choice = choices[0] if choices else {}
    message, stop = mapping(choice.get("message")), choice.get("finish_reason")
    reason = _STOPS.get(stop, StopReason.OTHER) if isinstance(stop, str) else StopReason.OTHER
    found = ProviderAnswer(
        text=_text(message.get("content")),
        model=answer_model(text(answer.get("model")), model),
        usage=_usage(answer.get("usage")),
        stop_reason=reason,
        stopped="" if reason is StopReason.END else safe_stop_reason(stop),
        headers=rate_headers(headers, OPENROUTER),
    )
    if error is not None or stop == "error":
        return answer_or_raise(found, error=error_of_response(error or {}, headers))
    return answer_or_raise(found, refused=True) if text(message.get("refusal")) else found


def _text(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts, of which thinking parts are left out."""
    if isinstance(content, list):
        return "".join(text(part.get("text")) for part in items(content) if part.get("type") in ("text", "output_text"))
    return text(content)


def _usage(value: Any) -> Usage:
    counts, usage = Counts(value), mapping(value)
    input_tokens = counts.needed("prompt_tokens")
    cached = counts.inside(counts.optional("prompt_tokens_details", "cached_tokens"), input_tokens)
    written = counts.optional("prompt_tokens_details", "cache_write_tokens")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=counts.needed("completion_tokens"),
        cached_tokens=cached,
        cache_write_tokens=counts.inside(written, input_tokens - cached),
        reasoning_tokens=Counts(value).optional("completion_tokens_details", "reasoning_tokens"),
        reported_cost=_cost(usage),
        # If `cost` is present but unreadable, the cost is unknown.
        known=counts.known and (usage.get("cost") is None or _cost(usage) is not None),
    )


def _cost(usage: Mapping[str, Any]) -> float | None:
    """Reported cost in USD. With our own key at the provider (BYOK), OpenRouter's `cost` is its fee only."""
    cost = amount(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    upstream = amount(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def error_of_response(error: Any, headers: Mapping[str, str], status: int = 0) -> UmpireError:
    """The error that OpenRouter reports. `status`: of the answer; 0: the error came in an answer of status 200."""
    asked = ErrorAnswer(
        LLMProviderType.OPENROUTER, status, (), headers.get("x-request-id"), retry_after(headers, OPENROUTER)
    )
    return error_of_object(error, CODES, asked)
