"""OpenRouter: chat completions through the OpenAI SDK, with OpenRouter's own fields, errors and list of models."""

from typing import Any

from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import HostedProviderSettings
from contracts.settings.provider import caches_explicitly
from providers import schema
from providers.base import Call, ProviderAnswer
from providers.breakpoints import Ttl, explicit_content
from providers.client import in_thread, post
from providers.headers import OPENROUTER, plain
from providers.model import ModelInfo
from providers.openai import failed, make_client
from providers.openai_answer import CODES
from providers.openrouter_answer import completion, reported
from providers.openrouter_directory import Directory
from providers.recorder import Recorder
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
        return completion(http.content, plain(http.headers.raw), call.model)

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
        body["reasoning"] = {"effort": call.effort.value}
    return body


def _failed(error: Exception) -> UmpireError:
    """The error of our tree for an exception of the SDK."""
    from openai import APIStatusError

    if isinstance(error, APIStatusError):
        return reported(error.body, error.response.headers, error.status_code)
    return failed(LLMProviderType.OPENROUTER, error, CODES, OPENROUTER)
