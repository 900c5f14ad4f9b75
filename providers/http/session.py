"""The aiohttp session that all adapters use. Imports aiohttp: on first use only."""

import ssl as tls
from typing import Any

import aiohttp

from providers.http import bounded
from providers.http.connection import Connector
from providers.http.recorder import Recorder

#: Most bytes of one header, and of the status line. Some gateways put their whole routing into one header.
_HEADER_LIMIT = 64 << 10

#: Most headers of one response: together with the limit above, the head is at most 16 MiB.
_HEADERS_LIMIT = 256

_OK = range(200, 300)


class Response(aiohttp.ClientResponse):
    """A response that reads its body within a size limit."""

    async def read(self) -> bytes:
        if self._body is None:
            try:
                limit = bounded.LIST_LIMIT if self.method == "GET" else bounded.CALL_LIMIT
                self._body = await bounded.read(self.content, self.headers.getall("Content-Encoding", ()), limit)
            except bounded.UnreadableBody:
                # Close the connection at once: an orderly TLS shutdown would first read the rest of the body.
                if self.connection is not None and self.connection.transport is not None:
                    self.connection.transport.abort()
                self.close()
                if self.status in _OK:
                    raise
                # For an error, the status is enough.
                self._body = b""
                return self._body
            except BaseException:
                self.close()
                raise
        return await super().read()

    def get_encoding(self) -> str:
        """JSON is UTF-8, whatever charset the response claims: "bz2" would be decompressed without a limit."""
        return "utf-8"

    async def text(self, *_: Any, **__: Any) -> str:
        """The body as text. Bytes that are not UTF-8 are replaced, so that they do not cost the whole answer."""
        return (await self.read()).decode("utf-8", "replace")

    async def json(self, **options: Any) -> Any:
        """Raises ContentTypeError for a body that is not JSON: Google's SDK handles it and still reports the status."""
        await self.read()
        try:
            return await super().json(**options)
        except (ValueError, RecursionError):
            raise aiohttp.ContentTypeError(self.request_info, self.history, status=self.status) from None


def open_session(
    *,
    connections: int,
    keepalive: float,
    timeout: aiohttp.ClientTimeout,
    ssl: tls.SSLContext | bool = True,
    recorder: Recorder | None = None,
) -> aiohttp.ClientSession:
    """A session without proxies, netrc and cookies, whose responses are limited in size. `keepalive`: in seconds."""
    return aiohttp.ClientSession(
        connector=Connector(limit=connections, keepalive_timeout=keepalive, ssl=ssl),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=Response,
        # A verdict is too short to be worth compressing, and uncompressed bodies cannot be decompression bombs.
        # Connection: as the SDKs' own client sends it.
        headers={"Accept-Encoding": "identity", "Connection": "keep-alive"},
        auto_decompress=False,
        max_line_size=_HEADER_LIMIT,
        max_field_size=_HEADER_LIMIT,
        max_headers=_HEADERS_LIMIT,
        trust_env=False,
        middlewares=(_recording(recorder),) if recorder else (),
    )


def _recording(recorder: Recorder) -> aiohttp.ClientMiddlewareType:
    async def record(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        body = await request.body.as_bytes() if request.body else b""
        with recorder.exchange(request.method, str(request.url), request.headers.items(), body) as exchange:
            response = await handler(request)
            exchange.status, exchange.response_headers = response.status, list(response.headers.items())
            # The response keeps its body: the SDK then reads the same bytes.
            exchange.response_body = await response.read()
            return response

    return record
