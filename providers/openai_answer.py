"""An answer of OpenAI's Responses API, read: body to completion. Pure."""

from collections.abc import Mapping

from pydantic import BaseModel

from contracts.enums import LLMProviderType
from providers import failure
from providers.base import Completion, StopReason, Usage, answering
from providers.headers import OPENAI, rate_headers

CODES = failure.Codes(
    spend=frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}),
    too_long=frozenset({"context_length_exceeded", "string_above_max_length"}),
    refused=frozenset(
        {
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            "bio_policy",
            "misalignment_policy_violation",
        }
    ),
    credentials=frozenset({"invalid_api_key"}),
    rate=frozenset({"rate_limit_exceeded"}),
)

#: HTTP 200 with status `failed` carries no status of its own; its code decides, and else it is a server error.
_FAILED_STATUS = 500


class _Content(BaseModel):
    type: str
    text: str = ""


class _Item(BaseModel):
    type: str
    content: list[_Content] | None = None


class _InputDetails(BaseModel):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(BaseModel):
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Incomplete(BaseModel):
    reason: str | None = None


class _Error(BaseModel):
    code: str | None = None
    type: str | None = None


class _Response(BaseModel):
    """What we read of an answer."""

    output: list[_Item] = []
    model: str = ""
    status: str | None = None
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Usage | None = None


def completion(body: bytes, headers: Mapping[str, str], model: str) -> Completion:
    """Raises ParsingError when the body is no answer, and what a `failed` one says; `model` is what was asked for."""
    try:
        response = _Response.model_validate_json(body)
    except ValueError:
        raise failure.unreadable(LLMProviderType.OPENAI) from None
    if response.error is not None or response.status == "failed":
        error = response.error or _Error()
        codes = (error.code, error.type)
        raise failure.answered(
            failure.Answered(LLMProviderType.OPENAI, _FAILED_STATUS, codes, headers.get("x-request-id")), CODES
        )
    return Completion(
        text="".join(part.text for part in _parts(response) if part.type == "output_text"),
        model=answering(response.model, model),
        usage=_usage(response.usage) if response.usage else Usage(),
        stop_reason=_stop(response),
        headers=rate_headers(headers, OPENAI),
    )


def _parts(response: _Response) -> list[_Content]:
    return [part for item in response.output if item.type == "message" for part in item.content or ()]


def _stop(response: _Response) -> StopReason:
    reason = response.incomplete_details.reason if response.incomplete_details else None
    if reason == "max_output_tokens" or (reason is None and response.status == "incomplete"):
        return StopReason.LENGTH
    if reason == "content_filter" or any(part.type == "refusal" for part in _parts(response)):
        return StopReason.REFUSAL
    return StopReason.END if reason is None and response.status in {None, "completed"} else StopReason.OTHER


def _usage(usage: _Usage) -> Usage:
    read, wrote = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=(read.cached_tokens or 0) if read else 0,
        cache_write_tokens=(read.cache_write_tokens or 0) if read else 0,
        reasoning_tokens=(wrote.reasoning_tokens or 0) if wrote else 0,
    )
