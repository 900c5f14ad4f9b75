"""An HTTP client for the SDKs without the layers that we do not use. Imports httpx2 and aiohttp: on first use only.

httpx2 handles authentication, redirects, cookies and streams for each request, and merges the client's settings with
the request's: a sixth of the CPU of an SDK's call, and more while CPU caches are cold. Here a request goes to aiohttp
unchanged, and its response is read whole. A failure raises an exception of httpx2, which the SDK wraps; its cause is
aiohttp's exception, by which providers/answers/error_mapping.py classifies it.
"""

import asyncio
from typing import Any

import aiohttp
import httpx2

from providers.http.bounded import UnreadableBody
from providers.http.recorder import Recorder
from providers.http.session import open_session

#: Headers that describe the body on the wire; httpx2 gets the body decoded.
_OF_THE_WIRE = frozenset({b"content-encoding", b"content-length"})


class _WholeResponse(httpx2.Response):
    """A response whose body is in memory already. httpx2 would pass it through its streams, decoders and chunkers."""

    def __init__(self, status: int, headers: Any, body: bytes, request: httpx2.Request) -> None:
        super().__init__(status, headers=headers, stream=httpx2.ByteStream(body), request=request)
        self._body = body
        _set_encoding(self.headers)
        # JSON is UTF-8, whatever charset the response claims: a charset of "bz2" would be decompressed without a limit.
        self.encoding = "utf-8"

    @property
    def content(self) -> bytes:
        return self._body

    def read(self) -> bytes:
        return self._body

    async def aread(self) -> bytes:
        return self._body


def _set_encoding(headers: httpx2.Headers) -> None:
    """Set the encoding once: otherwise httpx2 decodes all headers anew to find it in each new object."""
    if all(name.isascii() and value.isascii() for name, value in headers.raw):
        headers.encoding = "ascii"


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
        self._session: aiohttp.ClientSession | None = None

    def build_request(
        self, method: str, url: httpx2.URL | str, *, content: Any = None, headers: Any = None, **others: Any
    ) -> httpx2.Request:
        extensions = others.pop("extensions", None)
        timeout = others.pop("timeout", httpx2.USE_CLIENT_DEFAULT)  # ignored when we send it: the session has its own
        if not isinstance(content, bytes) or any(others.values()):
            others |= {"content": content, "headers": headers, "timeout": timeout, "extensions": extensions}
            return super().build_request(method, url, **others)
        # Given as a stream, the body is not measured and encoded again, and aiohttp adds Host and Content-Length.
        stream = httpx2.ByteStream(content)
        request = httpx2.Request(method, url, headers=headers, stream=stream, extensions=extensions)
        _set_encoding(request.headers)
        request.read()
        return request

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
        return _WholeResponse(answer.status, headers, body, request)

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
