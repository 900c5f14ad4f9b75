"""Shared parts of the adapters' SDK clients: they are made once, off the event loop, and log no requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from providers.base import SDK_TIMEOUT
from providers.http.recorder import Recorder

if TYPE_CHECKING:
    import httpx2

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


def quiet_loggers() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


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
