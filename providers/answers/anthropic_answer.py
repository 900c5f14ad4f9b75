"""Parses an answer of Anthropic's Messages API: body to completion. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from providers.answers.error_mapping import ErrorFormat, answer_or_raise, error_of_object, is_error, unreadable_answer
from providers.answers.fields import Counts, document, items, stop_reason, text
from providers.answers.response_headers import ANTHROPIC, rate_headers
from providers.base import ProviderAnswer, StopReason, Usage, answer_model
from providers.request import verdict_schema

ERRORS = ErrorFormat(
    LLMProviderType.ANTHROPIC,
    request_id="request-id",
    rates=ANTHROPIC,
    credentials=frozenset({"authentication_error"}),
    too_long=frozenset({"request_too_large", "request_body_too_large_after_decoding"}),
    unavailable=frozenset({"overloaded_error"}),
)

_STOPS = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "tool_use": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT,
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
    message = document(body)
    if message is None or ("content" not in message and not is_error(message.get("error"))):
        raise unreadable_answer(LLMProviderType.ANTHROPIC)
    reported = message.get("error")
    reason, stopped = stop_reason(message.get("stop_reason"), _STOPS)
    found = ProviderAnswer(
        text=_text(message.get("content")),
        model=answer_model(text(message.get("model")), model),
        usage=_usage(message.get("usage")),
        stop_reason=reason,
        stopped=stopped,
        headers=rate_headers(headers, ANTHROPIC),
    )
    return answer_or_raise(found, error=error_of_object(reported, ERRORS, headers)) if is_error(reported) else found


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = items(content)
    verdict = "tool_use", verdict_schema.NAME
    submitted = [_written(block.get("input")) for block in blocks if (block.get("type"), block.get("name")) == verdict]
    if submitted:
        # Joined, so that two tool calls do not parse as a verdict.
        return "".join(submitted)
    return "".join(text(block.get("text")) for block in blocks if block.get("type") == "text")


def _written(value: Any) -> str:
    try:
        return dumps(value).decode()
    except ValueError:  # half a surrogate pair, which providers/answers/verdict.py rejects
        return json.dumps(value)


def _usage(value: Any) -> Usage:
    counts = Counts(value)
    cached = counts.optional("cache_read_input_tokens")
    written = counts.optional("cache_creation_input_tokens")
    # Anthropic's input_tokens does not include tokens read from or written to its cache.
    input_tokens = counts.needed("input_tokens") + cached + written
    return Usage(
        input_tokens=input_tokens,
        output_tokens=counts.needed("output_tokens"),
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=counts.inside(counts.optional("cache_creation", "ephemeral_1h_input_tokens"), written),
        # For information only: it does not affect the price, so the cost is known even if this count is unreadable.
        reasoning_tokens=Counts(value).optional("output_tokens_details", "thinking_tokens"),
        known=counts.known,
    )
