"""OpenRouter: chat completions through the OpenAI SDK, with OpenRouter's own fields, errors and list of models."""

from functools import partial
from typing import Any

from contracts.enums import LLMProviderType
from contracts.settings import HostedProviderSettings
from contracts.settings.provider import caches_explicitly
from providers.answers.openrouter_answer import ERRORS, parse_answer
from providers.base import Call
from providers.http.recorder import Recorder
from providers.models.model_info import ModelInfo
from providers.models.openrouter_directory import Directory
from providers.openai import make_client, sdk_errors
from providers.request import verdict_schema
from providers.request.cache_breakpoints import prompt_parts
from providers.sdk_provider import SdkProvider
from telemetry.observer import Observer, silent

_BASE_URL = "https://openrouter.ai/api/v1"

#: OpenRouter lists the applications that call it by these headers.
_HEADERS = {"HTTP-Referer": "https://localhost/umpire", "X-Title": "umpire"}


class OpenRouterProvider(SdkProvider):
    name = LLMProviderType.OPENROUTER
    path, errors = "/chat/completions", ERRORS
    parse = staticmethod(parse_answer)
    sdk_errors = staticmethod(sdk_errors)

    def __init__(
        self, settings: HostedProviderSettings, observer: Observer = silent, recorder: Recorder | None = None
    ) -> None:
        super().__init__(
            lambda: make_client(settings, _BASE_URL, _HEADERS, recorder),
            partial(parameters, explicit_cache=caches_explicitly(settings)),
        )
        self._directory = Directory(self._page, observer)

    async def model_info(self, model: str) -> ModelInfo:
        return await self._directory.resolve(model)

    async def list_models(self) -> list[str]:
        return [entry.id for entry in await self._directory.entries()]

    async def _page(self, offset: int) -> bytes:
        """A page of OpenRouter's own list of models."""
        client = self._client.made or await self._client.get()
        try:
            raw = await client.models.with_raw_response.list(extra_query={"offset": offset} if offset else None)
        except self._exceptions() as error:
            raise self._failed(error) from None
        content: bytes = raw.http_response.content
        return content


def parameters(call: Call, *, explicit_cache: bool = True) -> dict[str, Any]:
    """The body of the request to OpenRouter's chat completions. `explicit_cache`: see providers/openai.py."""
    explicit = explicit_cache and call.model_info.explicit_cache
    system: str | list[dict[str, Any]] = call.system
    user: str | list[dict[str, Any]] = call.user
    if explicit and any(block.cacheable for block in call.blocks):
        # OpenRouter's breakpoints have no cache time.
        system, user = prompt_parts(call, "text", lambda _: {"prompt_cache_breakpoint": {"mode": "explicit"}})
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
        body["response_format"] = {"type": "json_schema", "json_schema": verdict_schema.STRICT}
    if call.temperature is not None:
        body["temperature"] = call.temperature
    if call.verbosity is not None:
        body["verbosity"] = call.verbosity.value
    if call.effort is not None:
        body["reasoning"] = {"effort": call.effort.value}
    return body
