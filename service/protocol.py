"""The HTTP/1.1 connection: uvicorn's own, and the bounds that it lacks. It reads a head of any size, for ever.

`--http service.protocol:Protocol` where uvicorn is started by hand.
"""

import asyncio

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from contracts.errors import InvalidRequest
from service.problem import problem

#: Of a request line and headers; also of what surrounds the chunks of a body, trailers included.
MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 100

#: From a connection's start, or the answer before it, to the end of a request's head. An idle connection ends sooner,
#: by the server's keep-alive. A body that is not read has the same time to pass by.
HEAD_SECONDS = 30.0

#: A refused client may still be sending. Closed at once, the kernel would throw away the answer that it has not read.
LINGER_SECONDS = 1.0

_NOWHERE: Scope = {"type": "http", "path": "/"}


class Protocol(HttpToolsProtocol):
    _timer: asyncio.TimerHandle | None = None
    #: Since when a head is waited for; None while a request is being answered.
    _since: float | None = None
    #: Bytes since the last head or part of a body.
    _outside = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._stop_looking()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._outside += len(data)
        super().data_received(data)
        if self._outside > MAX_HEAD_BYTES:
            self._refuse(431, f"more than {MAX_HEAD_BYTES} bytes of headers")

    def on_headers_complete(self) -> None:
        if self._refused:
            return
        if len(self.headers) > MAX_HEADERS:
            self._refuse(431, f"more than {MAX_HEADERS} headers")
            return
        self._outside = 0
        self._since = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._outside = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self.pipeline:
            self._since = self.loop.time()
        super().on_response_complete()
        if self.cycle.more_body:
            # The client may see to its answer only after its body: the keep-alive is not for it.
            self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        """Typed like any other problem, and the end of the connection."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body):
            # It is no part of the request before it, which is answered first: that one may have been accepted.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        answer = problem(InvalidRequest(message), _NOWHERE, status=status, headers={"Connection": "close"})
        head = [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join([STATUS_LINE[status], *head, b"\r\n", bytes(answer.body)]))
        self._stop_looking()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _look(self) -> None:
        """One timer for a connection's life: to set one for each request would cost more than it is worth."""
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
