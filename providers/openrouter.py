"""OpenRouter: chat completions through the OpenAI SDK, with OpenRouter's own fields, errors and list of models."""

from typing import Any

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import HostedProviderSettings
from contracts.settings.provider import caches_explicitly
from providers.answers.openai_answer import CODES
from providers.answers.openrouter_answer import error_of_response, parse_answer
from providers.answers.response_headers import OPENROUTER, by_lower_case_name
from providers.base import Call, ProviderAnswer
from providers.http.recorder import Recorder
from providers.http.sdk_client import in_thread, post
from providers.models.model_info import ModelInfo
from providers.models.openrouter_directory import Directory
from providers.openai import error_of_exception, make_client
from providers.request import verdict_schema
from providers.request.cache_breakpoints import Ttl, explicit_content
from telemetry.observer import Observer, silent

_BASE_URL = "https://openrouter.ai/api/v1"

#: OpenRouter lists the applications that call it by these headers.
_HEADERS = {"HTTP-Referer": "https://localhost/umpire", "X-Title": "umpire"}

#: OpenRouter's breakpoints have no cache time.
_TIMES: dict[Ttl, dict[str, str]] = {"5m": {}, "1h": {}}


class OpenRouterProvider:
    name = LLMProviderType.OPENROUTER

    def __init__(
        self, settings: HostedProviderSettings, observer: Observer = silent, recorder: Recorder | None = None
    ) -> None:
        self._client = in_thread(lambda: make_client(settings, _BASE_URL, _HEADERS, recorder))
        self._explicit_cache = caches_explicitly(settings)
        self._directory = Directory(self._page, observer)

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> ProviderAnswer:
        client = self._client.made or await self._client.get()
        from openai import OpenAIError

        try:
            http = await post(
                client, "/chat/completions", parameters(call, explicit_cache=self._explicit_cache), call.attempt_id
            )
        except (OpenAIError, OSError, ValueError) as error:
            raise _failed(error) from None
        return parse_answer(http.content, by_lower_case_name(http.headers.raw), call.model)

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


def parameters(call: Call, *, explicit_cache: bool = True) -> dict[str, Any]:
    """The body of the request to OpenRouter's chat completions. `explicit_cache`: see providers/openai.py."""
    explicit = explicit_cache and call.model_info.explicit_cache
    system: str | list[dict[str, Any]] = call.system
    user: str | list[dict[str, Any]] = call.user
    if explicit and any(block.cacheable for block in call.blocks):
        system, user = explicit_content(call.blocks, call.system, call.user, kind="text", times=_TIMES)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    body: dict[str, Any] = {
        "model": call.model,
        "messages": [*messages, {"role": "user", "content": user}],
        "max_tokens": call.max_tokens,
        # `provider` and `reasoning` are OpenRouter's own fields.
        "provider": {"require_parameters": True},
    }
    if explicit:
        # OpenRouter passes this on to OpenAI, and leaves it out for hosts that do not support it.
        body["prompt_cache_options"] = {"mode": "explicit"}
    if call.model_info.structured_outputs:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": verdict_schema.NAME,
                "description": verdict_schema.DESCRIPTION,
                "schema": verdict_schema.VERDICT_SCHEMA,
                "strict": True,
            },
        }
    if call.temperature is not None:
        body["temperature"] = call.temperature
    if call.verbosity is not None:
        body["verbosity"] = call.verbosity.value
    if call.effort is not None:
        body["reasoning"] = {"effort": call.effort.value}
    return body


def _failed(error: Exception) -> UmpireError:
    """The error of our tree for an exception of the SDK."""
    from openai import APIStatusError

    if isinstance(error, APIStatusError):
        return error_of_response(error.body, error.response.headers, error.status_code)
    return error_of_exception(LLMProviderType.OPENROUTER, error, CODES, OPENROUTER)
