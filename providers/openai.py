"""OpenAI's Responses API."""

from typing import TYPE_CHECKING, Any

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import HostedProviderSettings
from contracts.settings.provider import caches_explicitly
from providers.answers.answer_error import error_of_object
from providers.answers.error_mapping import ErrorAnswer, ErrorCodes
from providers.answers.openai_answer import CODES, parse_answer
from providers.answers.response_headers import OPENAI, RateNames, by_lower_case_name, retry_after
from providers.base import Call, ProviderAnswer
from providers.http.recorder import Recorder
from providers.http.sdk_client import http_client, http_options, in_thread, post
from providers.http.transport_error import transport_error
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo
from providers.request import verdict_schema
from providers.request.cache_breakpoints import Ttl, explicit_content

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_BASE_URL = "https://api.openai.com/v1"

#: OpenAI caches a prefix for 30 minutes or for 12 hours: the shortest time that is at least the caller's.
_TIMES: dict[Ttl, dict[str, str]] = {"5m": {"ttl": "30m"}, "1h": {"ttl": "12h"}}


class OpenAIProvider:
    name = LLMProviderType.OPENAI

    def __init__(self, settings: HostedProviderSettings, recorder: Recorder | None = None) -> None:
        self._client = in_thread(lambda: make_client(settings, _BASE_URL, recorder=recorder))
        self._explicit_cache = caches_explicitly(settings)

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> ProviderAnswer:
        client = self._client.made or await self._client.get()
        from openai import OpenAIError

        try:
            http = await post(
                client, "/responses", parameters(call, explicit_cache=self._explicit_cache), call.attempt_id
            )
        except (OpenAIError, OSError, ValueError) as error:
            raise error_of_exception(self.name, error, CODES, OPENAI) from None
        return parse_answer(http.content, by_lower_case_name(http.headers.raw), call.model)

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        client = await self._client.get()
        from openai import OpenAIError

        try:
            return [model.id async for model in client.models.list()]
        except (OpenAIError, OSError, ValueError) as error:
            raise error_of_exception(self.name, error, CODES, OPENAI) from None

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.close()


def make_client(
    settings: HostedProviderSettings,
    base_url: str,
    headers: dict[str, str] | None = None,
    recorder: Recorder | None = None,
) -> "AsyncOpenAI":
    """A client of the OpenAI SDK that ignores the environment's OPENAI_… variables."""
    from openai import AsyncOpenAI

    options = http_options(settings.concurrency)
    client = AsyncOpenAI(
        api_key=settings.api_key.get_secret_value() if settings.api_key else "none",
        # Empty, not None: with None the SDK would use OPENAI_ADMIN_KEY.
        admin_api_key="",
        base_url=settings.base_url or base_url,
        timeout=options["timeout"],
        max_retries=0,
        http_client=http_client(options, recorder),
    )
    # The SDK reads OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS whatever arguments it gets.
    client.organization = client.project = None
    client._custom_headers = headers or {}  # noqa: SLF001 - the SDK has no public way to replace them
    return client


def parameters(call: Call, *, explicit_cache: bool = True) -> dict[str, Any]:
    """The body of the request to the Responses API. `explicit_cache`: cache only blocks that the caller marked."""
    text: dict[str, Any] = {}
    if call.model_info.structured_outputs:
        text["format"] = {
            "type": "json_schema",
            "name": verdict_schema.NAME,
            "description": verdict_schema.DESCRIPTION,
            "schema": verdict_schema.VERDICT_SCHEMA,
            "strict": True,
        }
    if call.verbosity is not None:
        text["verbosity"] = call.verbosity.value
    body: dict[str, Any] = {
        "model": call.model,
        "input": call.user,
        "max_output_tokens": call.max_tokens,
        # The provider must not store prompts for later retrieval.
        "store": False,
    }
    explicit = explicit_cache and call.model_info.explicit_cache
    if explicit:
        # By default OpenAI caches each prompt of 1,024 tokens and more, at 1.25 times its price. For essays that would
        # be wasted: the cache is not read again.
        body["prompt_cache_options"] = {"mode": "explicit"}
    if explicit and any(block.cacheable for block in call.blocks):
        system, user = explicit_content(call.blocks, call.system, call.user, kind="input_text", times=_TIMES)
        # A breakpoint belongs to a part of a message; `instructions` is a string without parts.
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        body["input"] = [*messages, {"role": "user", "content": user}]
    elif call.system:
        body["instructions"] = call.system
    if text:
        body["text"] = text
    if call.effort is not None:
        body["reasoning"] = {"effort": call.effort.value}
    if call.temperature is not None:
        body["temperature"] = call.temperature
    return body


def error_of_exception(provider: LLMProviderType, error: Exception, codes: ErrorCodes, names: RateNames) -> UmpireError:
    """The error of our tree for an exception of the OpenAI SDK."""
    from openai import APIStatusError

    if not isinstance(error, APIStatusError):
        return transport_error(provider, error)
    asked = ErrorAnswer(provider, error.status_code, (), error.request_id, retry_after(error.response.headers, names))
    return error_of_object(error.body, codes, asked)
