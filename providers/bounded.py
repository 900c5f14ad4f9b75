"""A response body within a limit, compressed and decoded. Pure, and free of imports that take time.

A verdict has 1 to 4 kB. What a provider, or whoever stands in front of it, sends is bounded all the same: 2 MB of
gzip can hold 2 GB, and 2 kB packed three times can hold 4 GB.
"""

import zlib
from collections.abc import Iterable
from typing import Protocol

#: Bytes of the answer to a call, on the wire and decoded. An answer with 128k tokens of reasoning, each character
#: escaped, has about 3 MB.
CALL_LIMIT = 8 << 20

#: Bytes of a list of models, a page of it. OpenRouter's whole one has about 1 MB.
LIST_LIMIT = 16 << 20

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS

#: The compression method in the first byte of a zlib stream (RFC 1950): the only one that is defined.
_DEFLATE = 8


class UnreadableBody(Exception):
    """`reason`: "too_large"; "encoding", of a kind that is not read; "malformed_body", no such encoding inside."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Chunks(Protocol):
    """aiohttp's StreamReader."""

    async def readany(self) -> bytes:
        """What has come; empty at the end."""
        ...


async def read(chunks: Chunks, encodings: Iterable[str], limit: int) -> bytes:
    """The whole body, decoded. `encodings`: the values of Content-Encoding.

    No more than `limit` bytes of it are ever held, and no more than these are read or decoded.

    Raises
    ------
    UnreadableBody
        The rest of the body is still unread: the connection must be closed.
    """
    decode = _decoder(encodings)
    pieces: list[bytes] = []
    wire, left = limit, limit
    while chunk := await chunks.readany():
        wire -= len(chunk)
        piece = decode(chunk, left) if decode else chunk
        left -= len(piece)
        if wire < 0 or left < 0:
            raise UnreadableBody("too_large")
        pieces.append(piece)
    return b"".join(pieces)


def _decoder(encodings: Iterable[str]) -> "_Inflate | None":
    """One layer of gzip or deflate. Nobody asked for any: a second layer, or another kind, has no good reason."""
    named = ",".join(encodings).strip().lower()
    if named in {"", "identity"}:
        return None
    if named in {"gzip", "x-gzip", "deflate"}:
        return _Inflate(named)
    raise UnreadableBody("encoding")


class _Inflate:
    """As browsers and httpx read it: deflate with zlib's frame or without; what follows the stream is ignored."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream: zlib._Decompress | None = None

    def __call__(self, chunk: bytes, limit: int) -> bytes:
        """At most `limit` bytes and one more."""
        if self._stream is None:
            self._stream = zlib.decompressobj(self._window(chunk[0]))
        try:
            return self._stream.decompress(chunk, limit + 1)
        except zlib.error:
            raise UnreadableBody("malformed_body") from None

    def _window(self, first: int) -> int:
        if self._encoding != "deflate":
            return _GZIP
        return _ZLIB if first & 15 == _DEFLATE else _RAW
