"""Anthropic's Messages API."""

from typing import TYPE_CHECKING, Any

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, PromptTarget
from contracts.errors import UmpireError
from contracts.settings import HostedProviderSettings
from providers.answers.answer_error import error_of_object
from providers.answers.anthropic_answer import CODES, parse_answer
from providers.answers.error_mapping import ErrorAnswer
from providers.answers.response_headers import ANTHROPIC, by_lower_case_name, retry_after
from providers.base import Call, ProviderAnswer
from providers.http.recorder import Recorder
from providers.http.sdk_client import http_client, http_options, in_thread, post
from providers.http.transport_error import transport_error
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo
from providers.request import verdict_schema
from providers.request.cache_breakpoints import breakpoints, in_order

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_BASE_URL = "https://api.anthropic.com"


class AnthropicProvider:
    name = LLMProviderType.ANTHROPIC

    def __init__(self, settings: HostedProviderSettings, recorder: Recorder | None = None) -> None:
        self._settings = settings
        self._recorder = recorder
        self._client = in_thread(self._make)

    def _make(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic

        options = http_options(self._settings.concurrency)
        client = AsyncAnthropic(
            api_key=self._settings.api_key.get_secret_value() if self._settings.api_key else "",
            base_url=self._settings.base_url or _BASE_URL,
            timeout=options["timeout"],
            max_retries=0,
            open_telemetry=False,
            http_client=http_client(options, self._recorder),
        )
        # The SDK always reads ANTHROPIC_CUSTOM_HEADERS, which could hold another account's key.
        client._custom_headers = {}  # noqa: SLF001 - the SDK has no public way to clear them
        return client

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> ProviderAnswer:
        client = self._client.made or await self._client.get()
        from anthropic import AnthropicError

        try:
            http = await post(client, "/v1/messages", parameters(call), call.attempt_id, parsed_url=True)
        except (AnthropicError, OSError, ValueError) as error:
            raise _failed(error) from None
        return parse_answer(http.content, by_lower_case_name(http.headers.raw), call.model)

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        client = await self._client.get()
        from anthropic import AnthropicError

        try:
            return [model.id async for model in client.models.list(limit=1000)]
        except (AnthropicError, OSError, ValueError) as error:
            raise _failed(error) from None

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.close()


def parameters(call: Call) -> dict[str, Any]:
    """The body of the request to the Messages API."""
    info = call.model_info
    system, content = _prompt(call)
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": call.max_tokens,
        "messages": [{"role": "user", "content": content}],
    }
    if system:
        body["system"] = system
    output: dict[str, Any] = {}
    if info.structured_outputs:
        output["format"] = {"type": "json_schema", "schema": verdict_schema.VERDICT_SCHEMA}
    elif info.forced_tool:
        body["tools"] = [
            {
                "name": verdict_schema.NAME,
                "description": verdict_schema.DESCRIPTION,
                "input_schema": verdict_schema.VERDICT_SCHEMA,
            }
        ]
        body["tool_choice"] = {"type": "tool", "name": verdict_schema.NAME, "disable_parallel_tool_use": True}
    if call.effort is not None:
        output["effort"] = call.effort.value
    if output:
        body["output_config"] = output
    if call.temperature is not None:
        # Newer models do not accept a temperature; see the manifest.
        body["temperature"] = call.temperature
    return body


def _prompt(call: Call) -> tuple[Any, Any]:
    """System prompt and user content: strings, or lists of blocks where the caller sent blocks."""
    blocks = in_order(call.blocks)
    ttls = breakpoints(blocks) if call.model_info.prompt_cache else [None] * len(blocks)
    parts: dict[PromptTarget, list[dict[str, Any]]] = {target: [] for target in PromptTarget}
    for block, ttl in zip(blocks, ttls, strict=True):
        part: dict[str, Any] = {"type": "text", "text": block.content}
        if ttl is not None:
            part["cache_control"] = {"type": "ephemeral", "ttl": ttl}
        parts[block.target].append(part)
    return parts[PromptTarget.SYSTEM] or call.system, parts[PromptTarget.USER_CONTENT] or call.user


def _failed(error: Exception) -> UmpireError:
    from anthropic import APIStatusError

    if not isinstance(error, APIStatusError):
        return transport_error(LLMProviderType.ANTHROPIC, error)
    headers = error.response.headers
    asked = ErrorAnswer(
        LLMProviderType.ANTHROPIC, error.status_code, (), error.request_id, retry_after(headers, ANTHROPIC)
    )
    return error_of_object(error.body, CODES, asked)
