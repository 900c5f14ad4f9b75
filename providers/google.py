"""Google's Gemini API."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import HostedProviderSettings
from providers.answers.error_mapping import error_of_object
from providers.answers.fields import mapping
from providers.answers.google_answer import ERRORS, parse_answer
from providers.base import ATTEMPT_HEADER, SDK_TIMEOUT, Call, ProviderAnswer
from providers.http.bounded import UnreadableBody
from providers.http.recorder import Recorder
from providers.http.sdk_client import CONNECT_TIMEOUT, KEEPALIVE, Lazy
from providers.http.transport_error import transport_error
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo
from providers.request import verdict_schema

if TYPE_CHECKING:
    import aiohttp
    from google.genai import Client

    from providers.google_types import Config

_BASE_URL = "https://generativelanguage.googleapis.com/"
_API_VERSION = "v1beta"


class GoogleProvider:
    name = LLMProviderType.GOOGLE

    def __init__(self, settings: HostedProviderSettings, recorder: Recorder | None = None) -> None:
        self._settings = settings
        self._recorder = recorder
        self._session: aiohttp.ClientSession | None = None
        self._client = Lazy(self._open)

    async def _open(self) -> "Client":
        await asyncio.to_thread(import_module, "providers.google_types")
        import aiohttp

        from providers.http.session import open_session

        # Our own session: the SDK's would use proxies from the environment.
        self._session = open_session(
            connections=self._settings.concurrency,
            keepalive=KEEPALIVE,
            timeout=aiohttp.ClientTimeout(total=SDK_TIMEOUT, sock_connect=CONNECT_TIMEOUT),
            recorder=self._recorder,
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
                # Otherwise the SDK repeats the call after a lost connection, after a wait of up to 10 s.
                retry_options=HttpRetryOptions(attempts=1),
                # For clients that the SDK makes but our calls do not use: an unusable proxy must not make them fail.
                client_args={"trust_env": False},
                # A redirect would send the API key to another server.
                async_client_args={"allow_redirects": False, "trust_env": False},
            ),
        )

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> ProviderAnswer:
        client = self._client.made or await self._client.get()
        from providers.google_types import text

        try:
            response = await client.aio.models.generate_content(
                model=call.model, contents=text(call.user), config=parameters(call)
            )
        except _exceptions() as error:
            raise _failed(error) from None
        http = response.sdk_http_response
        return parse_answer((http.body if http else None) or "", (http.headers if http else None) or {}, call.model)

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        client = await self._client.get()
        try:
            pager = await client.aio.models.list()
            return [
                model.name.removeprefix("models/")
                async for model in pager
                if model.name and "generateContent" in (model.supported_actions or ())
            ]
        except _exceptions() as error:
            raise _failed(error) from None

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.aio.aclose()
        if self._session is not None:
            await self._session.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)


def parameters(call: Call) -> "Config":
    """The config argument of generate_content."""
    from google.genai.types import ThinkingConfig, ThinkingLevel

    from providers.google_types import config, text

    chosen: dict[str, Any] = {"max_output_tokens": call.max_tokens}
    if call.system:
        chosen["system_instruction"] = text(call.system)
    if call.model_info.structured_outputs:
        chosen["response_mime_type"] = "application/json"
        chosen["response_json_schema"] = verdict_schema.VERDICT_SCHEMA
    if call.temperature is not None:
        chosen["temperature"] = call.temperature
    if call.effort is not None:
        chosen["thinking_config"] = ThinkingConfig(thinking_level=ThinkingLevel(call.effort.value.upper()))
    return config({ATTEMPT_HEADER: call.attempt_id}, chosen)


def _exceptions() -> tuple[type[Exception], ...]:
    """What a call to the SDK can raise."""
    from aiohttp import ClientError
    from google.genai.errors import APIError

    return APIError, ClientError, UnreadableBody, OSError, ValueError


def _failed(error: Exception) -> UmpireError:
    from google.genai.errors import APIError

    if isinstance(error, APIError):
        headers = getattr(error.response, "headers", {})
        return error_of_object(mapping(error.details).get("error"), ERRORS, headers, error.code)
    return transport_error(LLMProviderType.GOOGLE, error)
