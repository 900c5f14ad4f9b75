"""OpenAI's Responses API."""

from typing import TYPE_CHECKING, Any

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, PromptTarget
from contracts.errors import UmpireError
from contracts.settings import OpenAISettings, ProviderSettings
from providers import failure, schema
from providers.base import Call, Completion
from providers.breakpoints import breakpoints, in_order
from providers.client import http_client, http_options, in_thread, post
from providers.headers import OPENAI, RateNames, plain, retry_after
from providers.manifest import Manifest
from providers.model import ModelInfo
from providers.openai_answer import CODES, completion
from providers.reading import mapping, text
from providers.recorder import Recorder

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider:
    name = LLMProviderType.OPENAI

    def __init__(self, settings: ProviderSettings, recorder: Recorder | None = None) -> None:
        self._client = in_thread(lambda: make_client(settings, _BASE_URL, recorder=recorder))
        self._explicit_cache = not isinstance(settings, OpenAISettings) or settings.explicit_cache

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> Completion:
        client = self._client.made or await self._client.get()
        from openai import OpenAIError

        try:
            http = await post(client, "/responses", self._parameters(call), call.attempt_id)
        except (OpenAIError, OSError, ValueError) as error:
            raise failed(self.name, error, CODES, OPENAI) from None
        return completion(http.content, plain(http.headers.raw), call.model)

    def _parameters(self, call: Call) -> dict[str, Any]:
        body = parameters(call)
        if self._explicit_cache and call.model_info.implicit_cache_writes:
            body["prompt_cache_options"] = {"mode": "explicit"}
            body["input"] = _with_breakpoints(call) or body["input"]
        return body

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


def make_client(
    settings: ProviderSettings,
    base_url: str,
    headers: dict[str, str] | None = None,
    recorder: Recorder | None = None,
) -> "AsyncOpenAI":
    """A client of the OpenAI SDK that takes nothing from the environment."""
    from openai import AsyncOpenAI

    options = http_options(settings.concurrency)
    client = AsyncOpenAI(
        api_key=settings.api_key.get_secret_value() if settings.api_key else "none",
        # Empty, not None: None would let OPENAI_ADMIN_KEY in.
        admin_api_key="",
        base_url=settings.base_url or base_url,
        timeout=options["timeout"],
        max_retries=0,
        http_client=http_client(options, recorder),
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


def _with_breakpoints(call: Call) -> list[dict[str, Any]]:
    """The user's prompt in parts, where the caller marked some of them to be cached; else nothing. The system prompt is
    one text here (`instructions`), and takes no breakpoint.
    """
    blocks = [block for block in in_order(call.blocks) if block.target is PromptTarget.USER_CONTENT]
    if not any(block.cacheable for block in blocks):
        return []
    parts: list[dict[str, Any]] = []
    for block, ttl in zip(blocks, breakpoints(blocks), strict=True):
        part: dict[str, Any] = {"type": "input_text", "text": block.content}
        if ttl is not None:
            part["prompt_cache_breakpoint"] = {"mode": "explicit"}
        parts.append(part)
    return [{"type": "message", "role": "user", "content": parts}]


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
            message=text(mapping(error.body).get("message")),
        ),
        codes,
    )
