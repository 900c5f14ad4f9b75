"""OpenRouter: chat completions through the OpenAI SDK, with what OpenRouter does in its own way."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import ProviderSettings
from providers import failure, schema
from providers.base import ATTEMPT_HEADER, Call, Completion, StopReason, Usage
from providers.client import in_thread
from providers.headers import OPENROUTER, plain, rate_headers, retry_after
from providers.model import ModelInfo
from providers.openai import CODES, failed, make_client
from providers.openrouter_directory import Directory
from telemetry.observer import Observer, silent

_BASE_URL = "https://openrouter.ai/api/v1"

#: How OpenRouter lists the applications that call it.
_HEADERS = {"HTTP-Referer": "https://localhost/umpire", "X-Title": "umpire"}

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


class _Error(BaseModel):
    code: int | str | None = None
    metadata: _Metadata | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message = _Message()
    finish_reason: str | None = None
    error: _Error | None = None


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
    error: _Error | None = None
    usage: _Usage | None = None


class OpenRouterProvider:
    name = LLMProviderType.OPENROUTER

    def __init__(self, settings: ProviderSettings, observer: Observer = silent) -> None:
        self._client = in_thread(lambda: make_client(settings, _BASE_URL, _HEADERS))
        self._directory = Directory(self._page, observer)

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> Completion:
        client = self._client.made or await self._client.get()
        from openai import OpenAIError

        try:
            raw = await client.chat.completions.with_raw_response.create(
                **parameters(call), extra_headers={ATTEMPT_HEADER: call.attempt_id}
            )
        except (OpenAIError, OSError, ValueError) as error:
            raise _failed(error) from None
        return self._completion(call, raw.http_response)

    def _completion(self, call: Call, http: Any) -> Completion:
        try:
            body = _Body.model_validate_json(http.content)
        except ValueError:
            raise failure.unreadable(self.name) from None
        error = body.error or next((choice.error for choice in body.choices or () if choice.error), None)
        if error is not None:
            raise _reported(error, http.headers)
        if not body.choices:
            raise failure.unreadable(self.name)
        choice = body.choices[0]
        stop = _STOPS.get(choice.finish_reason or "", StopReason.OTHER)
        return Completion(
            text=choice.message.content or "",
            model=body.model or call.model,
            usage=_usage(body.usage) if body.usage else Usage(),
            stop_reason=StopReason.REFUSAL if choice.message.refusal else stop,
            headers=rate_headers(plain(http.headers.raw), OPENROUTER),
        )

    async def model_info(self, model: str) -> ModelInfo:
        return await self._directory.resolve(model)

    async def list_models(self) -> list[str]:
        return [entry.id for entry in await self._directory.entries()]

    async def _page(self, offset: int) -> bytes:
        """A page of OpenRouter's own list of models."""
        client = self._client.made or await self._client.get()
        from openai import OpenAIError

        try:
            raw = await client.models.with_raw_response.list(extra_query={"offset": offset} if offset else None)
        except (OpenAIError, OSError, ValueError) as error:
            raise _failed(error) from None
        content: bytes = raw.http_response.content
        return content

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.close()


def parameters(call: Call) -> dict[str, Any]:
    """The call in the terms of OpenRouter's chat completions."""
    messages = [{"role": "system", "content": call.system}] if call.system else []
    body: dict[str, Any] = {
        "model": call.model,
        "messages": [*messages, {"role": "user", "content": call.user}],
        "max_tokens": call.max_tokens,
    }
    own: dict[str, Any] = {"provider": {"require_parameters": True}}
    if call.model_info.structured_outputs:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": schema.NAME,
                "description": schema.DESCRIPTION,
                "schema": schema.VERDICT_SCHEMA,
                "strict": True,
            },
        }
    if call.temperature is not None:
        body["temperature"] = call.temperature
    if call.verbosity is not None:
        body["verbosity"] = call.verbosity.value
    if call.effort is not None:
        own["reasoning"] = {"effort": call.effort.value}
    body["extra_body"] = own
    return body


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


def _failed(error: Exception) -> UmpireError:
    """What an exception of the SDK means here."""
    from openai import APIStatusError

    if isinstance(error, APIStatusError):
        try:
            reported = _Error.model_validate(error.body)
        except ValidationError:
            reported = _Error()
        return _reported(_Error(code=error.status_code, metadata=reported.metadata), error.response.headers)
    return failed(LLMProviderType.OPENROUTER, error, CODES, OPENROUTER)


def _reported(error: _Error, headers: Mapping[str, str]) -> UmpireError:
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
