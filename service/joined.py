"""An answer's head and body in one write. uvicorn makes two: each is a call of the kernel, and the first wakes a client
that has not got its answer yet.
"""

import asyncio
from typing import Any

#: By itself: it waits for the client, and the head for nothing but its body.
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: A transport that is closed waits for what it has still to write: so many seconds, and not for ever.
CLOSE_SECONDS = 30.0


class Joined(asyncio.Transport):
    """Of two writes the first waits for the second one, until the loop's next pass at most.

    The loop closes the transport beneath by itself when its client has said its last: `close` before that.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: bytes | bytearray | memoryview | None = None
        self._closing: asyncio.TimerHandle | None = None
        # What changes nothing of what is held.
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._transport.write(b"".join((held, data)))
        elif data == CONTINUE:
            self._transport.write(data)
        else:
            self._held = data
            self._loop.call_soon(self.let_go)

    def let_go(self) -> None:
        """What waits is written, unless nobody can read it any more."""
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self.let_go()
        self._transport.close()
        if self._closing is None:
            self._closing = self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def lost(self) -> None:
        """The connection is gone."""
        self._held = None
        if self._closing is not None:
            self._closing.cancel()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
