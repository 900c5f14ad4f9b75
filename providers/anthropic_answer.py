"""An answer of Anthropic's Messages API, read: body to completion. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from providers import failure, schema
from providers.base import Completion, StopReason, Usage, answering
from providers.headers import ANTHROPIC, rate_headers

_STOPS = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "tool_use": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT,
}


class _Block(BaseModel):
    type: str
    text: str = ""
    name: str = ""
    input: Any = None


class _CacheCreation(BaseModel):
    ephemeral_1h_input_tokens: int = 0


class _OutputDetails(BaseModel):
    thinking_tokens: int | None = None


class _Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(BaseModel):
    """What we read of an answer. Our own model of it: the SDK's costs a third of the call."""

    content: list[_Block]
    model: str = ""
    stop_reason: str | None = None
    usage: _Usage = _Usage()


def completion(body: bytes, headers: Mapping[str, str], model: str) -> Completion:
    """Raises ParsingError when the body is no answer; `model` is what was asked for."""
    try:
        message = _Message.model_validate_json(body)
    except ValueError:
        raise failure.unreadable(LLMProviderType.ANTHROPIC) from None
    return Completion(
        text=_text(message),
        model=answering(message.model, model),
        usage=_usage(message.usage),
        stop_reason=_STOPS.get(message.stop_reason or "", StopReason.OTHER),
        headers=rate_headers(headers, ANTHROPIC),
    )


def _text(message: _Message) -> str:
    submitted = [dumps(block.input).decode() for block in message.content if _is_verdict(block)]
    if submitted:
        # One after the other: two of them are no verdict.
        return "".join(submitted)
    return "".join(block.text for block in message.content if block.type == "text")


def _is_verdict(block: _Block) -> bool:
    return block.type == "tool_use" and block.name == schema.NAME


def _usage(usage: _Usage) -> Usage:
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    return Usage(
        # Anthropic counts what it reads from and writes to its cache apart.
        input_tokens=usage.input_tokens + cached + written,
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0,
        reasoning_tokens=(usage.output_tokens_details.thinking_tokens or 0) if usage.output_tokens_details else 0,
    )
