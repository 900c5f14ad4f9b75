"""An answer of the Gemini API, read: body to completion, and what its errors say. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers import failure
from providers.base import Completion, StopReason, Usage, answering
from providers.headers import retry_after, seconds_of

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
}


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Part(_Wire):
    text: str = ""
    thought: bool = False


class _Content(_Wire):
    parts: list[_Part] = []


class _Candidate(_Wire):
    content: _Content = _Content()
    finish_reason: str | None = None


class _Feedback(_Wire):
    block_reason: str | None = None


class _Usage(_Wire):
    prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    cached_content_token_count: int = 0


class _Answer(_Wire):
    """What we read of an answer. A blocked prompt has no candidates."""

    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage = _Usage()
    model_version: str = ""


class _Detail(_Wire):
    """Of an error: RetryInfo has the delay, ErrorInfo the reason."""

    retry_delay: str | None = None
    reason: str | None = None


class _Error(_Wire):
    status: str | None = None
    details: list[_Detail] = []


class _Errors(_Wire):
    error: _Error = _Error()


def completion(body: str, model: str) -> Completion:
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError:
        raise failure.unreadable(LLMProviderType.GOOGLE) from None
    usage = answer.usage_metadata
    candidate = answer.candidates[0] if answer.candidates else _Candidate()
    stop = _STOPS.get(candidate.finish_reason or "", StopReason.OTHER)
    if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None:
        stop = StopReason.REFUSAL
    return Completion(
        text="".join(part.text for part in candidate.content.parts if not part.thought),
        model=answering(answer.model_version, model),
        usage=Usage(
            input_tokens=usage.prompt_token_count,
            # Google counts thoughts apart from the answer, and charges them like it.
            output_tokens=usage.candidates_token_count + usage.thoughts_token_count,
            cached_tokens=usage.cached_content_token_count,
            reasoning_tokens=usage.thoughts_token_count,
        ),
        stop_reason=stop,
    )


def reported(status: int, body: Any, headers: Mapping[str, str]) -> UmpireError:
    """The error class for an answer with an error status; `body` is its JSON, parsed."""
    try:
        error = _Errors.model_validate(body).error
    except ValidationError:
        error = _Error()
    delays = (seconds_of(detail.retry_delay) for detail in error.details if detail.retry_delay is not None)
    wait = next((delay for delay in delays if delay is not None), None)
    return failure.answered(
        failure.Answered(
            provider=LLMProviderType.GOOGLE,
            status=status,
            codes=(*(detail.reason for detail in error.details), error.status),
            retry_after=retry_after(headers) if wait is None else wait,
        ),
        _CODES,
    )
