"""Pooled aiohttp connections that close when unrequested bytes arrive. Imports aiohttp: on first use only.

aiohttp pools a connection as soon as a response is complete. A second response behind the first one, or one that comes
while the connection is idle, would be taken for the answer to the next request: the verdict on other essays.

All uses of aiohttp's private API are in this file. tests/providers/http/test_connection.py fails when aiohttp changes
it:

- `BaseConnector._factory` makes the protocol of each connection; there is no public way to replace it.
- `BaseConnector._release` returns a connection to the pool.
- `ResponseHandler.set_response_params` begins each request; `.data_received` receives the bytes; `.is_connected` is
  called before a connection is taken from the pool.
- `ResponseHandler._buffer`, `._tail` and `._parser` hold bytes that were received and not yet consumed.
"""

import asyncio
import ctypes
import functools
import select
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class _PollFd(ctypes.Structure):
    """`struct pollfd` of poll(2)."""

    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


#: poll(2) of the C library, called with the interpreter's lock held: with a timeout of 0 it does not block.
#: `select.poll` releases the lock, and a worker's other threads can keep it for milliseconds, before each call.
_poll = ctypes.PyDLL(None).poll
_poll.argtypes = (ctypes.POINTER(_PollFd), ctypes.c_ulong, ctypes.c_int)


class ProviderConnection(ResponseHandler):
    """Closes itself on surplus bytes: behind a response, while idle, or still unread in the socket."""

    _idle = False
    _reading = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = _PollFd(transport.get_extra_info("socket").fileno(), select.POLLIN, 0)

    def set_response_params(self, **params: Any) -> None:
        self._idle = False
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._reading = True
        try:
            super().data_received(data)
        finally:
            self._reading = False
        # The bytes came while idle; or they held the end of the response, which released the connection before the
        # bytes behind it were parsed.
        if self._idle and self._surplus():
            self.abort()

    def is_connected(self) -> bool:
        # The socket may hold bytes, or the end of the stream, that the event loop has not read yet.
        return super().is_connected() and not (self._idle and _poll(ctypes.byref(self._socket), 1, 0))

    def ends(self) -> bool:
        """Called when its request has ended. Returns False if the connection must not be used again."""
        self._idle = True
        return self._reading or not self._surplus()

    def _surplus(self) -> bool:
        if self._buffer or self._tail:
            return True
        try:
            # At the end of a response the parser must not have begun another one: then feed_eof returns None.
            return self._parser is not None and self._parser.feed_eof() is not None
        except Exception:  # noqa: BLE001 - the parser had begun another response, which is incomplete
            return True


class Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = functools.partial(ProviderConnection, loop=self._loop)  # type: ignore[assignment]

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        reusable = isinstance(protocol, ProviderConnection) and protocol.ends()
        super()._release(key, protocol, should_close=should_close or not reusable)
