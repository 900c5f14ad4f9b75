"""What the adapters' SDK clients have in common: made once, off the event loop, and quiet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from contracts.encoding import dumps
from providers.base import ATTEMPT_HEADER, SDK_TIMEOUT
from providers.recorder import Recorder

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

ClientT = TypeVar("ClientT")

#: Seconds to reach a provider.
CONNECT_TIMEOUT = 10.0

#: Seconds that an idle connection is kept; under what load balancers in front of the providers keep (60 s and more).
KEEPALIVE = 30.0

#: The SDKs' and transports' loggers. On DEBUG they write whole requests, prompts included: never, whatever is set.
_LOGGERS = ("anthropic", "openai", "google_genai", "httpx2", "httpcore2", "aiohttp")


class Lazy(Generic[ClientT]):
    """A client made on first use, once however many ask."""

    def __init__(self, make: Callable[[], Awaitable[ClientT]]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self.made: ClientT | None = None

    async def get(self) -> ClientT:
        if self.made is None:
            async with self._lock:
                if self.made is None:
                    self.made = await self._make()
                    hush()
        return self.made


def in_thread(make: Callable[[], ClientT]) -> Lazy[ClientT]:
    """Made in a thread: importing an SDK takes half a second, in which the loop must go on."""
    return Lazy(lambda: asyncio.to_thread(make))


def hush() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


#: Of each client: its endpoints' whole URLs. The SDK would put them together for each call, and parse them twice.
_urls: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()


def _absolute(client: "AsyncOpenAI | AsyncAnthropic", path: str) -> str:
    urls = _urls.setdefault(client, {})
    if path not in urls:
        urls[path] = str(client.base_url).rstrip("/") + path
    return urls[path]


async def post(
    client: "AsyncOpenAI | AsyncAnthropic", path: str, body: dict[str, Any], attempt_id: str
) -> "httpx2.Response":
    """A call by the SDK's own way for any endpoint: its URL, authentication, pool and errors. The method made for the
    endpoint would look through a body that is in the wire's form already, and encode it with the standard library: half
    of a call's CPU.
    """
    import httpx2

    return await client.post(
        _absolute(client, path),
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
        # A redirect would carry the key to wherever it points.
        "follow_redirects": False,
    }


def http_client(options: dict[str, Any], recorder: Recorder | None) -> "httpx2.AsyncClient":
    """What an SDK is given to call by: see providers/direct.py."""
    from providers.direct import DirectClient

    return DirectClient(**options, recorder=recorder)
