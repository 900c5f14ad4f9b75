"""OpenAI's Responses API."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import ProviderSettings
from providers import failure, schema
from providers.base import ATTEMPT_HEADER, Call, Completion, StopReason, Usage
from providers.client import http_options, in_thread
from providers.headers import OPENAI, RateNames, plain, rate_headers, retry_after
from providers.manifest import Manifest
from providers.model import ModelInfo

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_BASE_URL = "https://api.openai.com/v1"

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


class OpenAIProvider:
    name = LLMProviderType.OPENAI

    def __init__(self, settings: ProviderSettings) -> None:
        self._client = in_thread(lambda: make_client(settings, _BASE_URL))

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> Completion:
        client = self._client.made or await self._client.get()
        from openai import OpenAIError

        try:
            raw = await client.responses.with_raw_response.create(
                **parameters(call), extra_headers={ATTEMPT_HEADER: call.attempt_id}
            )
        except (OpenAIError, OSError, ValueError) as error:
            raise failed(self.name, error, CODES, OPENAI) from None
        return self._completion(call, raw.http_response)

    def _completion(self, call: Call, http: Any) -> Completion:
        try:
            response = _Response.model_validate_json(http.content)
        except ValueError:
            raise failure.unreadable(self.name) from None
        if response.error is not None or response.status == "failed":
            error = response.error or _Error()
            raise failure.answered(
                failure.Answered(self.name, _FAILED_STATUS, (error.code, error.type), http.headers.get("x-request-id")),
                CODES,
            )
        return Completion(
            text="".join(part.text for part in _parts(response) if part.type == "output_text"),
            model=response.model or call.model,
            usage=_usage(response.usage) if response.usage else Usage(),
            stop_reason=_stop(response),
            headers=rate_headers(plain(http.headers.raw), OPENAI),
        )

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        client = await self._client.get()
        from openai import OpenAIError

        try:
            return [model.id async for model in client.models.list()]
        except (OpenAIError, OSError, ValueError) as error:
            raise failed(self.name, error, CODES, OPENAI) from None

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.close()


def make_client(settings: ProviderSettings, base_url: str, headers: dict[str, str] | None = None) -> "AsyncOpenAI":
    """A client of the OpenAI SDK that takes nothing from the environment."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    options = http_options(settings.concurrency)
    client = AsyncOpenAI(
        api_key=settings.api_key.get_secret_value() if settings.api_key else "none",
        # Empty, not None: None would let OPENAI_ADMIN_KEY in.
        admin_api_key="",
        base_url=settings.base_url or base_url,
        timeout=options["timeout"],
        max_retries=0,
        http_client=DefaultAioHttpClient(**options),
    )
    # OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS are read whatever is passed.
    client.organization = client.project = None
    client._custom_headers = headers or {}  # noqa: SLF001 - the SDK has no other way to say so
    return client


def parameters(call: Call) -> dict[str, Any]:
    """The call in the terms of the Responses API."""
    text: dict[str, Any] = {}
    if call.model_info.structured_outputs:
        text["format"] = {
            "type": "json_schema",
            "name": schema.NAME,
            "description": schema.DESCRIPTION,
            "schema": schema.VERDICT_SCHEMA,
            "strict": True,
        }
    if call.verbosity is not None:
        text["verbosity"] = call.verbosity.value
    body: dict[str, Any] = {
        "model": call.model,
        "input": call.user,
        "max_output_tokens": call.max_tokens,
        # Nothing of a prompt stays with the provider for later retrieval.
        "store": False,
    }
    if call.system:
        body["instructions"] = call.system
    if text:
        body["text"] = text
    if call.effort is not None:
        body["reasoning"] = {"effort": call.effort.value}
    if call.temperature is not None:
        body["temperature"] = call.temperature
    return body


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


def failed(provider: LLMProviderType, error: Exception, codes: failure.Codes, names: RateNames) -> UmpireError:
    """What an exception of the OpenAI SDK means."""
    from openai import APIStatusError

    if not isinstance(error, APIStatusError):
        return failure.transport(provider, error)
    return failure.answered(
        failure.Answered(
            provider=provider,
            status=error.status_code,
            codes=(error.code, error.type),
            request_id=error.request_id,
            retry_after=retry_after(error.response.headers, names),
        ),
        codes,
    )
