"""What the adapters' SDK clients have in common: made once, off the event loop, and quiet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from providers.base import SDK_TIMEOUT

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
