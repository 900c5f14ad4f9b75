"""Bounds the memory of one connection: pipelined requests, and answers that the client does not read."""

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from web.connection.coalescing_transport import CoalescingTransport

#: Requests that may wait behind the one being answered. At this number reading stops until half are answered.
MAX_PIPELINED = 32

#: Bytes that are parsed at a time. The parser cannot stop within them; they hold 200 requests at most.
SLICE_BYTES = 4_096

#: A client that does not read its answer for this many seconds is disconnected.
WRITE_SECONDS = 30.0


class _Flow(FlowControl):
    """uvicorn's resumes reading when an application asks for a body; this one not between `block` and `unblock`."""

    def block(self) -> None:
        self.pause_reading()
        self.resume_reading = _nothing  # type: ignore[method-assign]

    def unblock(self) -> None:
        del self.resume_reading  # the method of the class is visible again
        self.resume_reading()


def _nothing() -> None:
    pass


class BoundedPipeline(HttpToolsProtocol):
    """Parses requests in slices, and stops at MAX_PIPELINED. uvicorn parses all that it has read and keeps a cycle for
    each request: 14,000 requests in one packet took 24 MB, which stayed in reference cycles after the connection was
    lost.
    """

    flow: _Flow
    _coalescing: CoalescingTransport
    #: Bytes that are read but not parsed.
    _unparsed = b""
    #: The connection ends after the current answer, and nothing more is parsed.
    _refused = False
    _write_timer: asyncio.TimerHandle | None = None
    #: The cycle whose application runs. `self.cycle` is the newest cycle.
    _active: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._coalescing = CoalescingTransport(transport, self.loop)
        super().connection_made(self._coalescing)
        self.flow = _Flow(self._coalescing)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._unset_keepalive_if_required()  # uvicorn does so only if the connection ended without an error
        active = self._active
        if active is not None and active is not self.cycle and not active.response_complete:
            active.disconnected = True
            active.message_event.set()
        super().connection_lost(exc)
        self._unparsed = b""
        if self.pipeline:
            # A cycle refers to its protocol until its application ends. The pipelined ones never start: drop them.
            self.pipeline.clear()
            self.cycle = active  # type: ignore[assignment]
        self._coalescing.lost()

    def parse_slice(self, data: bytes) -> None:
        """The implementation answers errors, and sets `_refused` to stop."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        if self._unparsed:
            self._unparsed += data  # was read before the transport paused
        elif len(data) <= SLICE_BYTES and len(self.pipeline) < MAX_PIPELINED:
            self.parse_slice(data)
        else:
            self._parse_in_slices(data)

    def _parse_in_slices(self, data: bytes) -> None:
        start = 0
        while start < len(data) and not self._refused:
            if len(self.pipeline) >= MAX_PIPELINED:
                self._unparsed = data[start:]
                self.flow.block()
                return
            self.parse_slice(data[start : start + SLICE_BYTES])
            start += SLICE_BYTES

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unparsed and len(self.pipeline) <= MAX_PIPELINED // 2 and not self.transport.is_closing():
            data, self._unparsed = self._unparsed, b""
            self.flow.unblock()
            self._parse_in_slices(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self._coalescing.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
