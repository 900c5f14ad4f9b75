"""Parses an answer of OpenAI's Responses API: body to completion. Pure."""

from collections.abc import Mapping
from typing import Any

from contracts.enums import LLMProviderType
from providers.answers.error_mapping import ErrorFormat, answer_or_raise, error_of_object, is_error, unreadable_answer
from providers.answers.fields import Counts, document, items, mapping, text
from providers.answers.response_headers import OPENAI, rate_headers
from providers.base import ProviderAnswer, StopReason, Usage, answer_model, safe_stop_reason

ERRORS = ErrorFormat(
    LLMProviderType.OPENAI,
    request_id="x-request-id",
    rates=OPENAI,
    too_long=frozenset({"context_length_exceeded", "string_above_max_length"}),
    refused=frozenset(
        {"content_filter", "content_policy_violation", "invalid_prompt", "bio_policy", "misalignment_policy_violation"}
    ),
    credentials=frozenset({"invalid_api_key"}),
    rate=frozenset({"rate_limit_exceeded"}),
)


def parse_answer(body: bytes, headers: Mapping[str, str], model: str) -> ProviderAnswer:
    """The completion in a body. `model` is the requested model.

    Raises
    ------
    ParsingError
        The body is not an answer of this API.
    UmpireError
        The answer's status is `failed`, or it reports an error.
    """
    response = document(body)
    if response is None:
        raise unreadable_answer(LLMProviderType.OPENAI)
    messages = [item for item in items(response.get("output")) if item.get("type") == "message"]
    parts = [part for item in _answering(messages) for part in items(item.get("content"))]
    reason, stopped = _stop(response)
    found = ProviderAnswer(
        text="".join(text(part.get("text")) for part in parts if part.get("type") == "output_text"),
        model=answer_model(text(response.get("model")), model),
        usage=usage_of(response.get("usage")),
        stop_reason=reason,
        stopped=stopped,
        headers=rate_headers(headers, OPENAI),
    )
    reported, failed = response.get("error"), response.get("status") == "failed"
    if failed or is_error(reported):
        return answer_or_raise(found, error=error_of_object(reported, ERRORS, headers))
    refused = any(part.get("type") == "refusal" for part in parts)
    return answer_or_raise(found, refused=True) if refused else found


def _answering(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that hold the answer: those of the final phase, if phases are named. Commentary counts only if there
    is nothing else.
    """
    if len(messages) < 2:  # noqa: PLR2004 - the usual answer: nothing to choose
        return messages
    final = [message for message in messages if message.get("phase") == "final_answer"]
    return final or [message for message in messages if message.get("phase") != "commentary"] or messages


def _stop(response: Mapping[str, Any]) -> tuple[StopReason, str]:
    status, why = response.get("status"), text(mapping(response.get("incomplete_details")).get("reason"))
    if why == "max_output_tokens" or (status == "incomplete" and not why):
        return StopReason.LENGTH, safe_stop_reason(why)
    if why == "content_filter":
        return StopReason.REFUSAL, why
    word = why or ("" if status == "completed" else text(status))
    return (StopReason.OTHER if word else StopReason.END), safe_stop_reason(word)


def usage_of(value: Any, prompt: str = "input_tokens", answer: str = "output_tokens") -> Usage:
    """`prompt`, `answer`: names of the counts, which chat completions name otherwise."""
    counts = Counts(value)
    input_tokens = counts.needed(prompt)
    cached = counts.inside(counts.optional(f"{prompt}_details", "cached_tokens"), input_tokens)
    written = counts.optional(f"{prompt}_details", "cache_write_tokens")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=counts.needed(answer),
        cached_tokens=cached,
        cache_write_tokens=counts.inside(written, input_tokens - cached),
        # For information only: it does not affect the price, so the cost is known even if this count is unreadable.
        reasoning_tokens=Counts(value).optional(f"{answer}_details", "reasoning_tokens"),
        known=counts.known,
    )
