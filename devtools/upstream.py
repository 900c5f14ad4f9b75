"""An upstream of our own, for what aimock cannot do: exact status, headers and body; dripping, hanging, dropping."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Upstream:
    """Answers each call with the next of `answers`; the last one is repeated."""

    answers: list[Callable[["Connection"], Any]]
    port: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)
    open_connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
                headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = head[0].split(" ", 2)
                self.calls.append(
                    {"method": method, "path": path, "headers": headers, "body": json.loads(body) if body else None}
                )
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await answer(Connection(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            # The end of the test; asyncio's streams would log it as an error of the task.
            pass
        finally:
            self.open_connections -= 1
            self.tasks.discard(task)
            writer.close()


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def head(self, status: int, headers: dict[str, str], length: int) -> None:
        lines = [f"HTTP/1.1 {status} Status", f"content-length: {length}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Callable[[Connection], Any]:
    """One answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def send(connection: Connection) -> None:
        connection.head(status, {"content-type": "application/json", **(headers or {})}, len(content))
        connection.writer.write(content)
        await connection.writer.drain()

    return send


async def hang(connection: Connection) -> None:
    """Never answers; returns when the caller is gone."""
    await connection.reader.read(1)
    raise ConnectionResetError


async def drip(connection: Connection) -> None:
    """A byte each 50 ms, for ever, so that no read ever times out."""
    connection.head(200, {"content-type": "application/json"}, 1_000_000)
    while not connection.reader.at_eof():
        connection.writer.write(b" ")
        await connection.writer.drain()
        await asyncio.sleep(0.05)


async def drop(connection: Connection) -> None:
    """Ends the connection without an answer."""
    connection.writer.close()
    raise ConnectionResetError


async def drop_midway(connection: Connection) -> None:
    """Ends the connection in the middle of the body."""
    connection.head(200, {"content-type": "application/json"}, 1000)
    connection.writer.write(b'{"con')
    await connection.writer.drain()
    connection.writer.close()
    raise ConnectionResetError


@asynccontextmanager
async def upstream(*answers: Callable[[Connection], Any]) -> AsyncIterator[Upstream]:
    made = Upstream(list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(made.tasks):
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)
