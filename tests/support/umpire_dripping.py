"""A proxy in front of aimock that lets the answers of some calls drip: a byte at a time, and a read never times out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

#: Seconds between two bytes.
EVERY = 0.1


@asynccontextmanager
async def dripping(port: int, marker: bytes) -> AsyncIterator[str]:
    """URL of a proxy to `port`; calls whose body holds the marker are answered slowly."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head, body = await _request(reader)
            answer = await _forward(port, head, body)
            if marker in body:
                for byte in answer:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(EVERY)
            writer.write(answer)
            await writer.drain()
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader) -> tuple[list[bytes], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    sizes = [int(line.partition(b":")[2]) for line in head if line.lower().startswith(b"content-length:")]
    return head, await reader.readexactly(sizes[0] if sizes else 0)


async def _forward(port: int, head: list[bytes], body: bytes) -> bytes:
    """The whole answer, as it came over the wire. Nothing: the upstream hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        kept = [line for line in head if not line.lower().startswith(b"connection:")]
        writer.write(b"\r\n".join([*kept, b"connection: close", b"", body]))
        return await reader.read()
    finally:
        writer.close()
