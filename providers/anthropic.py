"""Anthropic's Messages API."""

from typing import TYPE_CHECKING, Any, ClassVar

from contracts.enums import LLMProviderType
from contracts.settings import HostedProviderSettings
from providers.answers.anthropic_answer import ERRORS, parse_answer
from providers.base import Call
from providers.http.recorder import Recorder
from providers.http.sdk_client import http_client, http_options
from providers.request import verdict_schema
from providers.request.cache_breakpoints import prompt_parts
from providers.sdk_provider import SdkProvider

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_BASE_URL = "https://api.anthropic.com"


def sdk_errors() -> tuple[type[Exception], type[Any]]:
    from anthropic import AnthropicError, APIStatusError

    return AnthropicError, APIStatusError


class AnthropicProvider(SdkProvider):
    name = LLMProviderType.ANTHROPIC
    path, parsed_url, errors = "/v1/messages", True, ERRORS
    parse = staticmethod(parse_answer)
    sdk_errors = staticmethod(sdk_errors)
    list_options: ClassVar[dict[str, Any]] = {"limit": 1000}

    def __init__(self, settings: HostedProviderSettings, recorder: Recorder | None = None) -> None:
        super().__init__(lambda: make_client(settings, recorder), parameters)


def make_client(settings: HostedProviderSettings, recorder: Recorder | None) -> "AsyncAnthropic":
    from anthropic import AsyncAnthropic

    options = http_options(settings.concurrency)
    client = AsyncAnthropic(
        api_key=settings.api_key.get_secret_value() if settings.api_key else "",
        base_url=settings.base_url or _BASE_URL,
        timeout=options["timeout"],
        max_retries=0,
        open_telemetry=False,
        http_client=http_client(options, recorder),
    )
    # The SDK always reads ANTHROPIC_CUSTOM_HEADERS, which could hold another account's key.
    client._custom_headers = {}  # noqa: SLF001 - the SDK has no public way to clear them
    return client


def parameters(call: Call) -> dict[str, Any]:
    """The body of the request to the Messages API."""
    info = call.model_info
    system, content = prompt_parts(
        call, "text", lambda ttl: {"cache_control": {"type": "ephemeral", "ttl": ttl}}, cached=info.prompt_cache
    )
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
