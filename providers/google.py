"""Google's Gemini API."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import ProviderSettings
from providers import failure, schema
from providers.base import ATTEMPT_HEADER, SDK_TIMEOUT, Call, Completion, StopReason, Usage
from providers.client import CONNECT_TIMEOUT, KEEPALIVE, Lazy
from providers.headers import retry_after, seconds_of
from providers.manifest import Manifest
from providers.model import ModelInfo

if TYPE_CHECKING:
    import aiohttp
    from google.genai import Client

_BASE_URL = "https://generativelanguage.googleapis.com/"
_API_VERSION = "v1beta"

_CODES = failure.Codes(
    # Reasons of ErrorInfo: a bad key is a 400 here.
    credentials=frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "CONSUMER_SUSPENDED"}),
    spend=frozenset({"BILLING_DISABLED"}),
)

_STOPS = {
    "STOP": StopReason.END,
    "MAX_TOKENS": StopReason.LENGTH,
    # Gemini 4 offers to go on in another call: each call of ours is one call upstream.
    "CONTINUATION": StopReason.LENGTH,
    "SAFETY": StopReason.REFUSAL,
    "BLOCKLIST": StopReason.REFUSAL,
    "PROHIBITED_CONTENT": StopReason.REFUSAL,
    "SPII": StopReason.REFUSAL,
    "MODEL_ARMOR": StopReason.REFUSAL,
}


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Part(_Wire):
    text: str = ""
    thought: bool = False


class _Content(_Wire):
    parts: list[_Part] = []


class _Candidate(_Wire):
    content: _Content = _Content()
    finish_reason: str | None = None


class _Feedback(_Wire):
    block_reason: str | None = None


class _Usage(_Wire):
    prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    cached_content_token_count: int = 0


class _Answer(_Wire):
    """What we read of an answer. A blocked prompt has no candidates."""

    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage = _Usage()
    model_version: str = ""


class _Detail(_Wire):
    """Of an error: RetryInfo has the delay, ErrorInfo the reason."""

    retry_delay: str | None = None
    reason: str | None = None


class _Error(_Wire):
    status: str | None = None
    details: list[_Detail] = []


class _Errors(_Wire):
    error: _Error = _Error()


class GoogleProvider:
    name = LLMProviderType.GOOGLE

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._client = Lazy(self._open)

    async def _open(self) -> "Client":
        await asyncio.to_thread(import_module, "google.genai")
        import aiohttp

        class Response(aiohttp.ClientResponse):
            """Says that it is no JSON in the way that the SDK expects, which then still reports the status."""

            async def json(self, **options: Any) -> Any:
                try:
                    return await super().json(**options)
                except ValueError:
                    raise aiohttp.ContentTypeError(self.request_info, self.history, status=self.status) from None

        # A session of our own: the SDK's would take proxies from the environment.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._settings.concurrency, keepalive_timeout=KEEPALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=Response,
            timeout=aiohttp.ClientTimeout(total=SDK_TIMEOUT, sock_connect=CONNECT_TIMEOUT),
            trust_env=False,
        )
        return await asyncio.to_thread(self._make, self._session)

    def _make(self, session: "aiohttp.ClientSession") -> "Client":
        from google.genai import Client
        from google.genai.types import HttpOptions, HttpRetryOptions

        return Client(
            vertexai=False,
            api_key=self._settings.api_key.get_secret_value() if self._settings.api_key else "none",
            http_options=HttpOptions(
                base_url=self._settings.base_url or _BASE_URL,
                api_version=_API_VERSION,
                timeout=int(SDK_TIMEOUT * 1000),
                aiohttp_client=session,
                # Without it the SDK waits up to 10 s and calls again by itself after a lost connection.
                retry_options=HttpRetryOptions(attempts=1),
                # A redirect would carry the key to wherever it points.
                async_client_args={"allow_redirects": False},
            ),
        )

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> Completion:
        client = self._client.made or await self._client.get()
        from aiohttp import ClientError
        from google.genai.errors import APIError

        try:
            response = await client.aio.models.generate_content(
                model=call.model, contents=call.user, config=parameters(call)
            )
        except (APIError, ClientError, OSError, ValueError) as error:
            raise _failed(error) from None
        http = response.sdk_http_response
        return _completion(call, (http.body if http else None) or "")

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        client = await self._client.get()
        from aiohttp import ClientError
        from google.genai.errors import APIError

        try:
            pager = await client.aio.models.list()
            return [
                model.name.removeprefix("models/")
                async for model in pager
                if model.name and "generateContent" in (model.supported_actions or ())
            ]
        except (APIError, ClientError, OSError, ValueError) as error:
            raise _failed(error) from None

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.aio.aclose()
        if self._session is not None:
            await self._session.close()


def parameters(call: Call) -> Any:
    """The call in the terms of generate_content's config."""
    config: dict[str, Any] = {
        "max_output_tokens": call.max_tokens,
        "http_options": {"headers": {ATTEMPT_HEADER: call.attempt_id}},
        # One call upstream: no function calls, no continuation. And the body as it came, which costs less to read.
        "automatic_function_calling": {"disable": True},
        "automatic_continuation": False,
        "should_return_http_response": True,
    }
    if call.system:
        config["system_instruction"] = call.system
    if call.model_info.structured_outputs:
        config["response_mime_type"] = "application/json"
        config["response_json_schema"] = schema.VERDICT_SCHEMA
    if call.temperature is not None:
        config["temperature"] = call.temperature
    if call.effort is not None:
        config["thinking_config"] = {"thinking_level": call.effort.value.upper()}
    return config


def _completion(call: Call, body: str) -> Completion:
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError:
        raise failure.unreadable(LLMProviderType.GOOGLE) from None
    usage = answer.usage_metadata
    candidate = answer.candidates[0] if answer.candidates else _Candidate()
    stop = _STOPS.get(candidate.finish_reason or "", StopReason.OTHER)
    if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None:
        stop = StopReason.REFUSAL
    return Completion(
        text="".join(part.text for part in candidate.content.parts if not part.thought),
        model=answer.model_version or call.model,
        usage=Usage(
            input_tokens=usage.prompt_token_count,
            # Google counts thoughts apart from the answer, and charges them like it.
            output_tokens=usage.candidates_token_count + usage.thoughts_token_count,
            cached_tokens=usage.cached_content_token_count,
            reasoning_tokens=usage.thoughts_token_count,
        ),
        stop_reason=stop,
    )


def _failed(error: Exception) -> UmpireError:
    from google.genai.errors import APIError

    if not isinstance(error, APIError):
        return failure.transport(LLMProviderType.GOOGLE, error)
    try:
        reported = _Errors.model_validate(error.details).error
    except ValidationError:
        reported = _Error()
    delays = (seconds_of(detail.retry_delay) for detail in reported.details if detail.retry_delay is not None)
    headers = getattr(error.response, "headers", {})
    wait = next((delay for delay in delays if delay is not None), None)
    return failure.answered(
        failure.Answered(
            provider=LLMProviderType.GOOGLE,
            status=error.code,
            codes=(*(detail.reason for detail in reported.details), reported.status),
            retry_after=retry_after(headers) if wait is None else wait,
        ),
        _CODES,
    )
