"""A real PostgreSQL of the tests' own, from Debian's package."""

import contextlib
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg

from devtools.servers import Process, ServerMissing, free_port, poll

#: Where Debian's packages are, one folder a version.
DEBIAN = Path("/usr/lib/postgresql")
#: initdb and postgres refuse to run as root; Debian's package creates this user.
USER = "postgres"

#: What it acknowledged survives kill -9 of the server, but not a crash of the machine.
THROW_AWAY = ("fsync=off", "full_page_writes=off")


def postgres_binaries() -> Path:
    """The folder with initdb, postgres and psql: the newest of Debian's, else that of PATH."""
    versions = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("postgres")
    if not found:
        raise ServerMissing("postgres", f"no postgres below {DEBIAN} or on PATH; on Debian: apt install postgresql")
    return Path(found).resolve().parent


class PostgresServer:
    """On one port for its life: stop, kill, pause/resume, start again. `durable`: keeps what it acknowledged even if
    the machine crashes, as in production.
    """

    def __init__(self, *, durable: bool = False, options: Sequence[str] = ()) -> None:
        self._binaries = postgres_binaries()
        self._become: tuple[str, ...] = ()
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                raise ServerMissing("postgres", "as root, setpriv (util-linux) is needed to run it as another user")
            self._become = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
        self.directory = Path(tempfile.mkdtemp(prefix="umpire-postgres-"))
        self.port = free_port()
        self.user = USER if self._become else getpass.getuser()
        if self._become:
            shutil.chown(self.directory, USER, USER)
        self._data = self.directory / "data"
        settings = [*(() if durable else THROW_AWAY), *options]
        command = [*self._become, str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += ["-h", "127.0.0.1", "-k", str(self.directory)]
        command += [word for setting in settings for word in ("-c", setting)]
        self.process = Process("postgres", command, self.directory / "log", {"LC_ALL": "C.UTF-8"})

    def url(self, database: str = "postgres") -> str:
        """As UMPIRE_DATABASE_URL."""
        return f"postgresql+psycopg://{self.user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> "PostgresServer":
        if not self._data.exists():
            self._initdb()
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # left by kill -9; its pid may be another's by now
        self.process.start(self.ready)
        return self

    def _initdb(self) -> None:
        command = [*self._become, str(self._binaries / "initdb"), "-D", str(self._data), "-U", self.user]
        command += ["-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")

    def stop(self) -> None:
        """Fast shutdown, which closes the clients' connections; SIGTERM would wait for them."""
        if self.process.running:
            self.resume()
            os.kill(self.process.pid, signal.SIGINT)
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL of the server and of its children, which would serve for a moment longer."""
        family = self._family()
        self.process.kill()
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        poll(lambda: not any(map(_runs, family)), what="PostgreSQL's processes ended")

    def pause(self) -> None:
        """SIGSTOP: the server hangs, its connections stay."""
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()

    def resume(self) -> None:
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()

    def _family(self) -> list[psutil.Process]:
        if not self.process.running:
            return []
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def ready(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.sql("SELECT 1")
            return True
        return False

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside of a transaction; its rows."""
        address = self.url(database).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def create_database(self, template: str = "template0") -> str:
        """A new database with the tables and rows of `template`; its name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop_database(self, name: str) -> None:
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def discard(self) -> None:
        """For good, its data too."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def _runs(process: psutil.Process) -> bool:
    """A zombie has ended: its parent has not asked for its exit code."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
