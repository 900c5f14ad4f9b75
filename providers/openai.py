"""OpenAI's Responses API."""

from functools import partial
from typing import TYPE_CHECKING, Any

from contracts.enums import LLMProviderType
from contracts.settings import HostedProviderSettings
from contracts.settings.provider import caches_explicitly
from providers.answers.openai_answer import ERRORS, parse_answer
from providers.base import Call
from providers.http.recorder import Recorder
from providers.http.sdk_client import http_client, http_options
from providers.request import verdict_schema
from providers.request.cache_breakpoints import Ttl, prompt_parts
from providers.sdk_provider import SdkProvider

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_BASE_URL = "https://api.openai.com/v1"

#: OpenAI caches a prefix for 30 minutes or for 12 hours: the shortest time that is at least the caller's.
_TIMES: dict[Ttl, str] = {"5m": "30m", "1h": "12h"}


def sdk_errors() -> tuple[type[Exception], type[Any]]:
    from openai import APIStatusError, OpenAIError

    return OpenAIError, APIStatusError


class OpenAIProvider(SdkProvider):
    name = LLMProviderType.OPENAI
    path, errors = "/responses", ERRORS
    parse = staticmethod(parse_answer)
    sdk_errors = staticmethod(sdk_errors)

    def __init__(self, settings: HostedProviderSettings, recorder: Recorder | None = None) -> None:
        super().__init__(
            lambda: make_client(settings, _BASE_URL, recorder=recorder),
            partial(parameters, explicit_cache=caches_explicitly(settings)),
        )


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
        text["format"] = {"type": "json_schema", **verdict_schema.STRICT}
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
        system, user = prompt_parts(
            call, "input_text", lambda ttl: {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": _TIMES[ttl]}}
        )
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
