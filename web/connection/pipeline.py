"""Bounds the memory of one connection: pipelined requests, and answers that the client does not read."""

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from web.connection.coalescing_transport import CoalescingTransport

#: Requests that may wait behind the one being answered. Then the connection is not read until half are answered.
MAX_PIPELINED = 32

#: Bytes that are parsed at a time. The parser cannot be stopped within them, and they may hold 200 further requests.
SLICE_BYTES = 4_096

#: A client that does not read its answer for this many seconds is disconnected.
WRITE_SECONDS = 30.0


class _Flow(FlowControl):
    """As uvicorn's, which resumes reading whenever an application asks for a body; but not between hold and release."""

    def hold(self) -> None:
        self.pause_reading()
        self.resume_reading = _nothing  # type: ignore[method-assign]

    def release(self) -> None:
        del self.resume_reading  # uncovers the method of the class
        self.resume_reading()


def _nothing() -> None:
    pass


class BoundedPipeline(HttpToolsProtocol):
    """Parses requests in slices, and stops at MAX_PIPELINED. uvicorn parses all that it reads at once and keeps a cycle
    for each request: 14,000 of them in one packet took 24 MB, which stayed in reference cycles after the connection was
    lost.
    """

    flow: _Flow
    _coalescing: CoalescingTransport
    #: Bytes read, but not parsed yet.
    _unparsed = b""
    #: The connection ends after the current answer: nothing more of it is parsed.
    _refused = False
    _stalled: asyncio.TimerHandle | None = None
    #: The cycle whose application runs; `self.cycle` is the newest one.
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._coalescing = CoalescingTransport(transport, self.loop)
        super().connection_made(self._coalescing)
        self.flow = _Flow(self._coalescing)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        self._unset_keepalive_if_required()  # uvicorn does so only if the connection ended without an error
        running = self._running
        if running is not None and running is not self.cycle and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)
        self._unparsed = b""
        if self.pipeline:
            # A cycle refers to its protocol until its application ends; these never start, so the references are cut.
            self.pipeline.clear()
            self.cycle = running  # type: ignore[assignment]
        self._coalescing.lost()

    def feed(self, data: bytes) -> None:
        """Parse one slice. The implementation answers errors, and sets `_refused` to stop."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        if self._unparsed:
            self._unparsed += data  # read before the transport was paused
        elif len(data) <= SLICE_BYTES and len(self.pipeline) < MAX_PIPELINED:
            self.feed(data)
        else:
            self._take_in(data)

    def _take_in(self, data: bytes) -> None:
        start = 0
        while start < len(data) and not self._refused:
            if len(self.pipeline) >= MAX_PIPELINED:
                self._unparsed = data[start:]
                self.flow.hold()
                return
            self.feed(data[start : start + SLICE_BYTES])
            start += SLICE_BYTES

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unparsed and len(self.pipeline) <= MAX_PIPELINED // 2 and not self.transport.is_closing():
            data, self._unparsed = self._unparsed, b""
            self.flow.release()
            self._take_in(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(WRITE_SECONDS, self._coalescing.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
