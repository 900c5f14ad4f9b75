"""Pooled connections on which nothing came that no request asked for. Loads aiohttp: on first use only.

aiohttp pools a connection as soon as a response is complete. A second response behind the first one, or one that comes
while the connection is idle, would be taken for the answer to the next request: another essay's verdict.

All uses of aiohttp's private parts are here, and tests/providers/test_connection.py fails when aiohttp changes them:

- `BaseConnector._factory` makes the protocol of each connection; there is no public way to give another.
- `BaseConnector._release` is where a connection returns to the pool.
- `ResponseHandler.set_response_params` begins each request; `.data_received` gets each byte; `.is_connected` is asked
  before a connection is taken from the pool.
- `ResponseHandler._buffer`, `._tail` and `._parser` hold what was read and not yet taken.
"""

import functools
import select
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler


class Connection(ResponseHandler):
    """Closes itself on surplus bytes, whether they come with the last response, while idle, or are in the socket."""

    _idle = False
    _reading = False

    def set_response_params(self, **params: Any) -> None:
        self._idle = False
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._reading = True
        try:
            super().data_received(data)
        finally:
            self._reading = False
        # Nobody asked for them; or the end of the response, among them, released the connection before the rest of them
        # was parsed.
        if self._idle and self._surplus():
            self.abort()

    def is_connected(self) -> bool:
        return super().is_connected() and not (self._idle and self._readable())

    def ends(self) -> bool:
        """Its request is over. False: it must not be used again."""
        self._idle = True
        return self._reading or not self._surplus()

    def _surplus(self) -> bool:
        if self._buffer or self._tail:
            return True
        try:
            # At the end of a response the parser has begun no other: it gives none, and is not used again.
            return self._parser is not None and self._parser.feed_eof() is not None
        except Exception:  # noqa: BLE001 - it had begun one, and what is there of it is none
            return True

    def _readable(self) -> bool:
        """Bytes, or the end, have come that the event loop has not read yet."""
        socket = self.transport and self.transport.get_extra_info("socket")
        if not socket:
            return False
        asked = select.poll()
        asked.register(socket.fileno(), select.POLLIN)
        return bool(asked.poll(0))


class Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        factory: Any = functools.partial(Connection, loop=self._loop)
        self._factory = factory

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        reusable = isinstance(protocol, Connection) and protocol.ends()
        super()._release(key, protocol, should_close=should_close or not reusable)
