"""An HTTP client for the SDKs without the layers that we do not use. Imports httpx2 and aiohttp: on first use only.

httpx2 handles authentication, redirects, cookies and streams for each request, and merges the client's settings with
the request's: a sixth of the CPU of an SDK's call, and more while CPU caches are cold. Here a request goes to aiohttp
unchanged, and its response is read whole. A failure raises an exception of httpx2, which the SDK wraps; its cause is
aiohttp's exception, by which providers/failure.py classifies it.
"""

import asyncio
from typing import Any

import aiohttp
import httpx2

from providers.bounded import UnreadableBody
from providers.recorder import Recorder
from providers.session import open_session

#: Headers that the client adds to each request; the SDK sets all others.
_OWN = [(b"accept-encoding", b"identity"), (b"connection", b"keep-alive")]

#: Headers that describe the body on the wire; httpx2 gets the body decoded.
_OF_THE_WIRE = frozenset({b"content-encoding", b"content-length"})


class DirectClient(httpx2.AsyncClient):
    """For whole requests and responses. It refuses streams: httpx2 would read and decode them without a limit."""

    def __init__(
        self,
        *,
        timeout: httpx2.Timeout,
        limits: httpx2.Limits,
        trust_env: bool,
        recorder: Recorder | None = None,
        **options: Any,
    ) -> None:
        verify = httpx2.create_ssl_context(trust_env=trust_env)
        super().__init__(timeout=timeout, limits=limits, trust_env=trust_env, verify=verify, **options)
        self.headers["accept-encoding"] = "identity"
        self._verify = verify
        self._limits = limits
        self._recorder = recorder
        self._seconds = timeout.as_dict()
        self._session: aiohttp.ClientSession | None = None
        self._urls: dict[str, httpx2.URL] = {}

    def build_request(
        self, method: str, url: httpx2.URL | str, *, content: Any = None, headers: Any = None, **others: Any
    ) -> httpx2.Request:
        extensions = others.pop("extensions", None)
        timeout = others.pop("timeout", httpx2.USE_CLIENT_DEFAULT)  # ignored when we send it: the session has its own
        if not isinstance(content, bytes) or any(others.values()):
            others |= {"content": content, "headers": headers, "timeout": timeout, "extensions": extensions}
            return super().build_request(method, url, **others)
        said = httpx2.Headers(headers).raw
        names = {name.lower() for name, _ in said}
        whole = [*(own for own in _OWN if own[0] not in names), *said]
        with_timeout = {"timeout": self._seconds, **(extensions or {})}
        return httpx2.Request(method, self._parsed(url), headers=whole, content=content, extensions=with_timeout)

    def _parsed(self, url: httpx2.URL | str) -> httpx2.URL:
        """The URL, parsed once: a client calls few different ones."""
        if isinstance(url, httpx2.URL):
            return url
        if url not in self._urls:
            self._urls[url] = httpx2.URL(url)
        return self._urls[url]

    async def send(self, request: httpx2.Request, *, stream: bool = False, **how: Any) -> httpx2.Response:
        if stream or how:
            raise NotImplementedError("a stream has no limit: no call of ours asks for one")
        if self.is_closed:
            return await super().send(request)  # raises the proper error
        try:
            async with self._ready().request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                server_hostname=request.extensions.get("sni_hostname"),
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, UnreadableBody) as error:
            raise httpx2.TransportError(type(error).__name__, request=request) from error
        headers: Any = answer.raw_headers
        if "Content-Encoding" in answer.headers:
            headers = [header for header in headers if header[0].lower() not in _OF_THE_WIRE]
        response = httpx2.Response(answer.status, headers=headers, content=body, request=request)
        # JSON is UTF-8, whatever charset the response claims: a charset of "bz2" would be decompressed without a limit.
        response.encoding = "utf-8"
        return response

    def _ready(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = open_session(
                connections=self._limits.max_connections or 0,
                keepalive=self._limits.keepalive_expiry or 0,
                timeout=aiohttp.ClientTimeout(
                    connect=self.timeout.pool, sock_connect=self.timeout.connect, sock_read=self.timeout.read
                ),
                ssl=self._verify,
                recorder=self._recorder,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        await super().aclose()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
