"""aiohttp's session as all adapters use it. Loads aiohttp: on first use only."""

import ssl as tls
from typing import Any

import aiohttp

from providers import bounded
from providers.connection import Connector
from providers.recorder import Recorder

#: Bytes of one header, and of the status line. Some gateways put their whole routing into one.
_HEADER_LIMIT = 64 << 10

#: Headers of one response: with the limit above, the most that a head can hold is 16 MiB.
_HEADERS_LIMIT = 256

_OK = range(200, 300)


class Response(aiohttp.ClientResponse):
    """Reads its body within a limit."""

    async def read(self) -> bytes:
        if self._body is None:
            try:
                limit = bounded.LIST_LIMIT if self.method == "GET" else bounded.CALL_LIMIT
                self._body = await bounded.read(self.content, self.headers.getall("Content-Encoding", ()), limit)
            except bounded.UnreadableBody:
                self._abort()
                if self.status in _OK:
                    raise
                # The status tells what it was.
                self._body = b""
                return self._body
            except BaseException:
                self.close()
                raise
        return await super().read()

    def get_encoding(self) -> str:
        """JSON is UTF-8, whatever the response says of its charset: "bz2" would be unpacked, without a limit."""
        return "utf-8"

    async def text(self, *_: Any, **__: Any) -> str:
        """One byte that is no UTF-8 costs itself, and not the answer."""
        return (await self.read()).decode("utf-8", "replace")

    async def json(self, **options: Any) -> Any:
        """Says that it is no JSON in the way that Google's SDK expects, which then still reports the status."""
        await self.read()
        try:
            return await super().json(**options)
        except (ValueError, RecursionError):
            raise aiohttp.ContentTypeError(self.request_info, self.history, status=self.status) from None

    def _abort(self) -> None:
        """Close it at once: an orderly end of TLS would first read what is still being sent."""
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        self.close()


def open_session(
    *,
    connections: int,
    keepalive: float,
    timeout: aiohttp.ClientTimeout,
    ssl: tls.SSLContext | bool = True,
    recorder: Recorder | None = None,
) -> aiohttp.ClientSession:
    """No proxy, netrc or cookie, and no more of a response in memory than a limit."""
    return aiohttp.ClientSession(
        connector=Connector(limit=connections, keepalive_timeout=keepalive, ssl=ssl),
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=Response,
        # A verdict is too short to be worth packing, and what is not packed is no bomb.
        headers={"Accept-Encoding": "identity"},
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
            exchange.answered(response.status, response.headers.items())
            # Kept by the response: who asked reads the same bytes.
            exchange.response_body = await response.read()
            return response

    return record
