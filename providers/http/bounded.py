"""Reads a response body within a size limit, for compressed and for decoded bytes. Pure, and quick to import.

A verdict has 1 to 4 kB. Bodies are limited because a faulty provider or gateway could exhaust the memory: 2 MB of gzip
can decode to 2 GB, and 2 kB compressed three times to 4 GB.
"""

import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader

#: Most bytes of the answer to a call, both on the wire and decoded. An answer with 128k tokens of reasoning, each
#: character escaped, has about 3 MB.
CALL_LIMIT = 8 << 20

#: Most bytes of one page of a list of models. OpenRouter's complete list has about 1 MB.
LIST_LIMIT = 16 << 20

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS

#: The compression method in the first byte of a zlib stream: the only one that RFC 1950 defines.
_DEFLATE = 8


class UnreadableBody(Exception):
    """`reason`: "too_large"; "encoding" (not supported); "malformed_body" (not in the encoding that it claims)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def read(chunks: "StreamReader", encodings: Iterable[str], limit: int) -> bytes:
    """The whole body, decoded. `encodings`: the values of Content-Encoding.

    Both the wire bytes and the decoded bytes are limited to `limit`; reading stops as soon as one exceeds it.

    Raises
    ------
    UnreadableBody
        The body is too large or cannot be decoded. The rest of it is unread, so the connection must be closed.
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
    """Decoder of one layer of gzip or deflate. Any other encoding is refused: our requests ask for none at all."""
    named = ",".join(encodings).strip().lower()
    if named in {"", "identity"}:
        return None
    if named in {"gzip", "x-gzip", "deflate"}:
        return _Inflate(named)
    raise UnreadableBody("encoding")


class _Inflate:
    """Decodes like browsers and httpx: deflate with or without a zlib header; bytes after the stream are ignored."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream: zlib._Decompress | None = None

    def __call__(self, chunk: bytes, limit: int) -> bytes:
        """The decoded chunk, at most `limit` + 1 bytes of it, so that the caller notices an excess."""
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
