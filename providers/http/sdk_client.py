"""Shared parts of the adapters' SDK clients: they are made once, off the event loop, and log no requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from contracts.encoding import dumps
from providers.base import ATTEMPT_HEADER, SDK_TIMEOUT
from providers.http.recorder import Recorder

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

ClientT = TypeVar("ClientT")

#: Seconds to connect to a provider.
CONNECT_TIMEOUT = 10.0

#: Seconds that an idle connection is kept: less than the providers' load balancers keep it (60 s and more).
KEEPALIVE = 30.0

#: The SDKs' and transports' loggers. At DEBUG they log whole requests with the prompts, so they are kept at WARNING.
_LOGGERS = ("anthropic", "openai", "google_genai", "httpx2", "httpcore2", "aiohttp")


class Lazy(Generic[ClientT]):
    """A client that is made on first use, and only once even if several tasks ask at the same time."""

    def __init__(self, make: Callable[[], Awaitable[ClientT]]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self.made: ClientT | None = None

    async def get(self) -> ClientT:
        if self.made is None:
            async with self._lock:
                if self.made is None:
                    self.made = await self._make()
                    quiet_loggers()
        return self.made


def in_thread(make: Callable[[], ClientT]) -> Lazy[ClientT]:
    """A client made in a thread: importing an SDK takes half a second, which must not block the event loop."""
    return Lazy(lambda: asyncio.to_thread(make))


def quiet_loggers() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


#: Each client's endpoint URLs, complete. Given a path only, the SDK would build the URL and parse it twice per call.
_urls: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def _absolute(client: "AsyncOpenAI | AsyncAnthropic", path: str, *, parsed: bool) -> Any:
    import httpx2

    urls = _urls.setdefault(client, {})
    if path not in urls:
        url = str(client.base_url).rstrip("/") + path
        urls[path] = httpx2.URL(url) if parsed else url
    return urls[path]


async def post(
    client: "AsyncOpenAI | AsyncAnthropic",
    path: str,
    body: dict[str, Any],
    attempt_id: str,
    *,
    parsed_url: bool = False,
) -> "httpx2.Response":
    """POST with the SDK's generic method, which gives its authentication, pool and errors. The method specific to the
    endpoint would transform a body that already has its final form, and encode it with the standard library: half of a
    call's CPU.

    `parsed_url`: give the SDK an httpx2.URL, although its argument is annotated as a string. Anthropic's passes it to
    `httpx2.URL(url)`, which takes both; a string would be parsed for each call. OpenAI's needs a string.
    """
    import httpx2

    return await client.post(
        _absolute(client, path, parsed=parsed_url),
        cast_to=httpx2.Response,
        content=dumps(body),
        options={"headers": {ATTEMPT_HEADER: attempt_id}},
    )


def http_options(concurrency: int) -> dict[str, Any]:
    """Arguments of both SDKs' DefaultAioHttpClient: own pool, no proxy or netrc from the environment, no redirects."""
    import httpx2

    return {
        "timeout": httpx2.Timeout(SDK_TIMEOUT, connect=CONNECT_TIMEOUT),
        "limits": httpx2.Limits(
            max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=KEEPALIVE
        ),
        "trust_env": False,
        # A redirect would send the API key to another server.
        "follow_redirects": False,
    }


def http_client(options: dict[str, Any], recorder: Recorder | None) -> "httpx2.AsyncClient":
    """The HTTP client that an SDK uses; see providers/http/direct.py."""
    from providers.http.direct import DirectClient

    return DirectClient(**options, recorder=recorder)
