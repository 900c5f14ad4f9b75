"""What the adapters on Anthropic's and OpenAI's SDKs share: both SDKs have the same POST and the same errors."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from contracts.clock import utcnow
from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers.answers.error_mapping import ErrorFormat, error_of_object
from providers.answers.response_headers import by_lower_case_name
from providers.base import ATTEMPT_HEADER, Call, ProviderAnswer
from providers.http.sdk_client import Lazy
from providers.http.transport_error import transport_error
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo


class SdkProvider:
    """A Provider (see providers/base.py); a subclass says what differs."""

    name: LLMProviderType
    #: Path of the endpoint.
    path: ClassVar[str]
    errors: ClassVar[ErrorFormat]
    #: Give the SDK an httpx2.URL, although its argument is annotated as a string. Anthropic's passes it to
    #: `httpx2.URL(url)`, which takes both; a string would be parsed for each call. OpenAI's needs a string.
    parsed_url: ClassVar[bool] = False
    #: Options of the request for a list of models.
    list_options: ClassVar[dict[str, Any]] = {}

    def __init__(self, make: Callable[[], Any], parameters: Callable[[Call], dict[str, Any]]) -> None:
        """`make` makes the SDK's client, in a thread; `parameters` is the body of the request for a call."""
        # Importing an SDK takes half a second, which must not block the event loop.
        self._client = Lazy(lambda: asyncio.to_thread(make))
        self._parameters = parameters
        self._url: Any = None

    @staticmethod
    def sdk_errors() -> tuple[type[Exception], type[Any]]:
        """The SDK's classes of all its errors, and of an answer with an error status. Imports the SDK."""
        raise NotImplementedError

    @staticmethod
    def parse(body: bytes, headers: Mapping[str, str], model: str) -> ProviderAnswer:
        """The answer in a body. `headers`: by lower-case name; `model`: the requested one."""
        raise NotImplementedError

    async def warm_up(self) -> None:
        await self._client.get()

    async def complete(self, call: Call) -> ProviderAnswer:
        """POST with the SDK's generic method, which gives its authentication, pool and errors. The method specific to
        the endpoint would transform a body that already has its final form, and encode it with the standard library:
        half of a call's CPU.
        """
        import httpx2

        client = self._client.made or await self._client.get()
        if self._url is None:  # given a path only, the SDK would build the URL and parse it twice per call
            url = str(client.base_url).rstrip("/") + self.path
            self._url = httpx2.URL(url) if self.parsed_url else url
        try:
            http = await client.post(
                self._url,
                cast_to=httpx2.Response,
                content=dumps(self._parameters(call)),
                options={"headers": {ATTEMPT_HEADER: call.attempt_id}},
            )
        except self._exceptions() as error:
            raise self._failed(error) from None
        return self.parse(http.content, by_lower_case_name(http.headers.raw), call.model)

    async def model_info(self, model: str) -> ModelInfo:
        return Manifest.load().known(self.name, model, utcnow().date())

    async def list_models(self) -> list[str]:
        client = await self._client.get()
        try:
            return [model.id async for model in client.models.list(**self.list_options)]
        except self._exceptions() as error:
            raise self._failed(error) from None

    async def close(self) -> None:
        if self._client.made is not None:
            await self._client.made.close()

    def _exceptions(self) -> tuple[type[Exception], ...]:
        """What a call to the SDK can raise."""
        return self.sdk_errors()[0], OSError, ValueError

    def _failed(self, error: Exception) -> UmpireError:
        if isinstance(error, self.sdk_errors()[1]):
            return error_of_object(error.body, self.errors, error.response.headers, error.status_code)
        return transport_error(self.name, error)
