"""Bodies that are small on the wire and large when decoded. None is ever decoded here."""

import gzip
import zlib
from collections.abc import Callable
from typing import Any

from devtools.upstream import Connection, answer

#: What each holds.
SIZE = 2 << 30

_PIECE = 1 << 20


def _deflated(frame: int) -> bytes:
    """SIZE zeros, in pieces that do not depend on each other: one is packed, and repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, frame)
    head = packer.compress(bytes(_PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(_PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + piece * (SIZE // _PIECE - 1) + packer.flush()


async def endless(connection: Connection, status: int = 200) -> None:
    connection.writer.write(
        f"HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )
    while not connection.reader.at_eof():
        connection.writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await connection.writer.drain()
    raise ConnectionResetError


def bombs(status: int) -> dict[str, Callable[[Connection], Any]]:
    """By name: an upstream's answers."""
    packed = _deflated(16 + zlib.MAX_WBITS)
    thrice = gzip.compress(gzip.compress(packed))
    bodies = {
        "gzip": ("gzip", packed),
        "deflate": ("deflate", _deflated(zlib.MAX_WBITS)),
        "raw deflate": ("deflate", _deflated(-zlib.MAX_WBITS)),
        "gzip three times": ("gzip, gzip, gzip", thrice),
        "br": ("br", thrice),
        "zstd": ("zstd", thrice),
    }
    found = {name: answer(status, body, {"content-encoding": said}) for name, (said, body) in bodies.items()}
    return {**found, "endless": lambda connection: endless(connection, status)}
