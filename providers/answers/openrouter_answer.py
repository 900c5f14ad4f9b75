"""Parses an answer of OpenRouter: body to completion. An answer with status 200 can hold an error. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contracts.enums import LLMProviderType
from providers.answers import openai_answer
from providers.answers.error_mapping import answer_or_raise, error_of_object, is_error, unreadable_answer
from providers.answers.fields import amount, document, items, mapping, stop_reason, text
from providers.answers.openai_answer import usage_of
from providers.answers.response_headers import OPENROUTER, rate_headers
from providers.base import ProviderAnswer, StopReason, Usage, answer_model

#: The codes of the model's provider, which OpenRouter passes on, are taken for OpenAI's.
ERRORS = replace(openai_answer.ERRORS, provider=LLMProviderType.OPENROUTER, rates=OPENROUTER)

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
    reason, stopped = stop_reason(stop, _STOPS)
    found = ProviderAnswer(
        text=_text(message.get("content")),
        model=answer_model(text(answer.get("model")), model),
        usage=_usage(answer.get("usage")),
        stop_reason=reason,
        stopped=stopped,
        headers=rate_headers(headers, OPENROUTER),
    )
    if error is not None or stop == "error":
        return answer_or_raise(found, error=error_of_object(error or {}, ERRORS, headers))
    return answer_or_raise(found, refused=True) if text(message.get("refusal")) else found


def _text(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts, of which thinking parts are left out."""
    if isinstance(content, list):
        return "".join(text(part.get("text")) for part in items(content) if part.get("type") in ("text", "output_text"))
    return text(content)


def _usage(value: Any) -> Usage:
    usage = usage_of(value, "prompt_tokens", "completion_tokens")
    reported = _cost(mapping(value))
    # If `cost` is present but unreadable, the cost is unknown.
    known = usage.known and (reported is not None or mapping(value).get("cost") is None)
    return replace(usage, reported_cost=reported, known=known)


def _cost(usage: Mapping[str, Any]) -> float | None:
    """Reported cost in USD. With our own key at the provider (BYOK), OpenRouter's `cost` is its fee only."""
    cost = amount(usage.get("cost"))
    if cost is None or not usage.get("is_byok"):
        return cost
    upstream = amount(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream
