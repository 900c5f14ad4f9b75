"""uvicorn's HTTP/1.1 connection with bounds on the size and time of a request's head, and without upgrades. uvicorn has
no such bounds; and if a request asks for an upgrade that is not supported, it parses the body as the next request.

To start uvicorn by hand, add `--http web.connection.protocol:Protocol`.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from contracts.errors import InvalidRequest, MethodNotAllowed, UmpireError
from web.connection.pipeline import SLICE_BYTES, BoundedPipeline
from web.problem import problem

#: Bytes of a request line and headers; also of chunk sizes and trailers between two parts of a body.
MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 100
MAX_URL_BYTES = 8_192

#: Seconds from a connection's start, or from the previous answer, to the end of a request's head. An idle connection
#: ends sooner, by the server's keep-alive timeout. A body that the application does not read has the same time.
HEAD_SECONDS = 30.0

#: Seconds before the connection of a refused client is closed. If it were closed at once, while the client still sends,
#: the kernel would discard the answer.
LINGER_SECONDS = 1.0

_NO_REQUEST: Scope = {"type": "http", "path": "/"}


class Protocol(BoundedPipeline):
    _timer: asyncio.TimerHandle | None = None
    #: Loop time from which a head is awaited; None while a request is being answered.
    _head_awaited_since: float | None = None
    #: Bytes received since the last head or part of a body.
    _bytes_outside_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_awaited_since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._check_head_time)

    def eof_received(self) -> None:
        self._coalescing.close()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        super().connection_lost(exc)

    def parse_slice(self, data: bytes) -> None:
        self._bytes_outside_body += len(data)
        rest = memoryview(data)
        try:
            while rest and not self._refused:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                    if not self._refused:
                        self._ignore_upgrade()
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
        if self._bytes_outside_body > MAX_HEAD_BYTES:
            self._refuse_head()

    def _ignore_upgrade(self) -> None:
        """RFC 9110, 7.8. The parser ended the message after its head: a new parser reads the head without Upgrade."""
        version = self.parser.get_http_version().encode()
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":  # without it, `Connection: upgrade` means nothing
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
        self.parser.feed_data(b"".join([*head, b"\r\n"]))

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(414, f"the URL is longer than {MAX_URL_BYTES} bytes")

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        if len(self.headers) > MAX_HEADERS:
            self._refuse(431, f"more than {MAX_HEADERS} headers")
            return
        # A head that begins in the middle of a slice is not counted from its first byte.
        if self._bytes_outside_body > MAX_HEAD_BYTES - SLICE_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._refuse_head()
            return
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(405, "this server is no proxy", MethodNotAllowed, {"Allow": ""})
            return
        self._bytes_outside_body = 0
        self._head_awaited_since = None
        super().on_headers_complete()
        # The parser passes the trailers of a chunked body to `on_header`, too: keep them out of the request's headers.
        self.headers = []

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._bytes_outside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._head_awaited_since = self.loop.time()
        super().on_response_complete()
        if self.cycle is not None and self.cycle.more_body:
            # The client may send the rest of its body before it reads the answer: no keep-alive timeout until then.
            self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse_head(self) -> None:
        self._refuse(431, f"more than {MAX_HEAD_BYTES} bytes of headers")

    def _refuse(
        self,
        status: int,
        message: str,
        kind: type[UmpireError] = InvalidRequest,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Answer with a problem and end the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body):
            # The previous request, which may have been accepted, is answered first, without this error.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        answer = problem(kind(message), _NO_REQUEST, status=status, headers={**headers, "Connection": "close"})
        head = [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join([STATUS_LINE[status], *head, b"\r\n", bytes(answer.body)]))
        self._cancel_timer()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _check_head_time(self) -> None:
        """Enforce HEAD_SECONDS, with one timer for the whole connection: a timer for each request would cost more."""
        since = self.loop.time() if self._head_awaited_since is None else self._head_awaited_since
        left = since + HEAD_SECONDS - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._check_head_time)
        elif self._bytes_outside_body and (self.cycle is None or not self.cycle.more_body):
            self._refuse(408, "the head of the request did not arrive in time")
        else:
            self.transport.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
