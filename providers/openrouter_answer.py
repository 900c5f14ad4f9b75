"""An answer of OpenRouter, read: body to completion. HTTP 200 can carry an error. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers import failure
from providers.base import Completion, StopReason, Usage, answering
from providers.headers import OPENROUTER, rate_headers, retry_after
from providers.openai_answer import CODES

#: Status of an error that names none.
_UNNAMED = 500

_STOPS = {
    "stop": StopReason.END,
    "length": StopReason.LENGTH,
    "content_filter": StopReason.REFUSAL,
}


class _Metadata(BaseModel):
    error_type: str | None = None
    #: Why OpenRouter's moderation flagged the prompt (status 403).
    reasons: list[Any] | None = None


class ReportedError(BaseModel):
    code: int | str | None = None
    metadata: _Metadata | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message = _Message()
    finish_reason: str | None = None
    error: ReportedError | None = None


class _PromptDetails(BaseModel):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(BaseModel):
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Body(BaseModel):
    """What we read of an answer. HTTP 200 can carry `error` and no choices."""

    choices: list[_Choice] | None = None
    model: str = ""
    error: ReportedError | None = None
    usage: _Usage | None = None


def completion(body: bytes, headers: Mapping[str, str], model: str) -> Completion:
    """Raises ParsingError when the body is no answer, and the error that it reports; `model` is what was asked for."""
    try:
        answer = _Body.model_validate_json(body)
    except ValueError:
        raise failure.unreadable(LLMProviderType.OPENROUTER) from None
    error = answer.error or next((choice.error for choice in answer.choices or () if choice.error), None)
    if error is not None:
        raise reported(error, headers)
    if not answer.choices:
        raise failure.unreadable(LLMProviderType.OPENROUTER)
    choice = answer.choices[0]
    stop = _STOPS.get(choice.finish_reason or "", StopReason.OTHER)
    return Completion(
        text=choice.message.content or "",
        model=answering(answer.model, model),
        usage=_usage(answer.usage) if answer.usage else Usage(),
        stop_reason=StopReason.REFUSAL if choice.message.refusal else stop,
        headers=rate_headers(headers, OPENROUTER),
    )


def _usage(usage: _Usage) -> Usage:
    read, wrote = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=(read.cached_tokens or 0) if read else 0,
        cache_write_tokens=(read.cache_write_tokens or 0) if read else 0,
        reasoning_tokens=(wrote.reasoning_tokens or 0) if wrote else 0,
        reported_cost=usage.cost,
    )


def reported(error: ReportedError, headers: Mapping[str, str]) -> UmpireError:
    """An error that OpenRouter reports, in a body of status 200 too."""
    status = error.code if isinstance(error.code, int) else _UNNAMED
    metadata = error.metadata or _Metadata()
    moderated = "content_filter" if metadata.reasons else None
    return failure.answered(
        failure.Answered(
            provider=LLMProviderType.OPENROUTER,
            status=status,
            codes=(metadata.error_type, moderated, str(error.code) if isinstance(error.code, str) else None),
            request_id=headers.get("x-request-id"),
            retry_after=retry_after(headers, OPENROUTER),
        ),
        CODES,
    )
