"""The HTTP/1.1 connection: uvicorn's, with what it lacks. uvicorn reads a head of any size, for ever; and if a request
asks for an upgrade that is not supported, it takes the body for the next request.

`--http web.connection.protocol:Protocol` if uvicorn is started by hand.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from contracts.errors import InvalidRequest, MethodNotAllowed, UmpireError
from web.connection.pipeline import BoundedPipeline
from web.problem import problem

#: Bytes of a request line and headers; also of all that surrounds the chunks of a body, trailers included.
MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 100
MAX_URL_BYTES = 8_192

#: Seconds from a connection's start, or from the previous answer, to the end of a request's head. An idle connection
#: ends sooner, by the server's keep-alive. A body that the application does not read has the same time to arrive.
HEAD_SECONDS = 30.0

#: Seconds before the connection of a refused client is closed. It may still be sending: if the connection were closed
#: at once, the kernel would discard an answer that the client has not read.
LINGER_SECONDS = 1.0

_NOWHERE: Scope = {"type": "http", "path": "/"}


class Protocol(BoundedPipeline):
    _timer: asyncio.TimerHandle | None = None
    #: Loop time since which a head is awaited; None while a request is being answered.
    _since: float | None = None
    #: Bytes received since the last head or part of a body.
    _outside = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def eof_received(self) -> None:
        self._coalescing.close()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def feed(self, data: bytes) -> None:
        self._outside += len(data)
        try:
            self._parse(memoryview(data))
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
        if self._outside > MAX_HEAD_BYTES:
            self._refuse_head()

    def _parse(self, data: memoryview) -> None:
        while data and not self._refused:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if not self._refused:
                    self._ignore_upgrade()
            else:
                return

    def _ignore_upgrade(self) -> None:
        """RFC 9110, 7.8. The parser ended the message after its head, so a new parser reads it without the upgrade."""
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
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()  # the head came in one packet
            return
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(405, "this is no proxy", MethodNotAllowed, {"Allow": ""})
            return
        self._outside = 0
        self._since = None
        super().on_headers_complete()
        # The parser passes the trailers of a chunked body to `on_header`, too: a new list keeps them off the request's.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._outside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._since = self.loop.time()
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
            # The error is not the previous request's: that one is answered first, since it may have been accepted.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        answer = problem(kind(message), _NOWHERE, status=status, headers={**headers, "Connection": "close"})
        head = [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join([STATUS_LINE[status], *head, b"\r\n", bytes(answer.body)]))
        self._stop_looking()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _look(self) -> None:
        """Enforce HEAD_SECONDS. One timer serves the whole connection, because one for each request would cost more."""
        left = HEAD_SECONDS if self._since is None else self._since + HEAD_SECONDS - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
        elif self._outside and (self.cycle is None or not self.cycle.more_body):
            self._refuse(408, "the head of the request did not arrive in time")
        else:
            self.transport.close()

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
