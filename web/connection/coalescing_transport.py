"""Sends an answer's head and body in one write. uvicorn makes two: each is a system call, and the first one wakes the
client before the whole answer is there.
"""

import asyncio
from typing import Any

#: Never held: the client sends its body only after it, so no second write would follow.
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: Seconds that a closed transport has to write its buffer. Without a limit it would wait for ever.
CLOSE_SECONDS = 30.0


class CoalescingTransport(asyncio.Transport):
    """Holds the first of two writes until the second, or until the loop's next iteration.

    On EOF from the client the loop closes the underlying transport: call `close` before that, or a held write is lost.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._held: bytes | bytearray | memoryview | None = None
        self._closing: asyncio.TimerHandle | None = None
        # These do not affect the held write.
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
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send the held write, unless the connection is closing."""
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()
        if self._closing is None:
            self._closing = self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def lost(self) -> None:
        """To be called when the connection is lost."""
        self._held = None
        if self._closing is not None:
            self._closing.cancel()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
