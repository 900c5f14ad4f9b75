"""The data directory of an embedded stack: one `umpire up` at a time locks it; stack.json has the addresses."""

import asyncio
import fcntl
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cli.failure import Failure
from cli.supervise.files import write_atomically

STACK_FILE = "stack.json"

#: Seconds until the next try after stack.json could not be written.
_RETRY_SECONDS = 2.0


class DataDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            status = self.path.stat()
            if why := _unsafe(status):
                fix = f", or run `chmod go-w {self.path}`" if status.st_uid == os.geteuid() else ""
                raise Failure(
                    f"{self.path} {why}, who could read the essays and passwords in it, or replace its files; choose "
                    f"another with --data-dir{fix}"
                )
            # The open file holds the lock, so the kernel releases it however this process ends.
            self._lock = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Failure(f"{self.path} cannot be used as a data directory: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._lock, 20).decode() or "unknown"
            os.close(self._lock)
            raise Failure(
                f"{self.path} is in use by another umpire (pid {holder}); stop it, or choose another with --data-dir"
            ) from error
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())
        self.remove_stack_file()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove_stack_file()
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)

    def write_stack_file(self, stack: Mapping[str, Any]) -> None:
        """Write stack.json, readable by its owner only, since it holds passwords. Raises OSError; see files.py."""
        write_atomically(self.path / STACK_FILE, json.dumps(stack, indent=2) + "\n")

    def remove_stack_file(self) -> None:
        (self.path / STACK_FILE).unlink(missing_ok=True)


@dataclass
class StackFile:
    """Keeps stack.json of a running stack up to date. If it cannot be written, such as on a full disk, tries again."""

    directory: DataDirectory
    describe: Callable[[], Mapping[str, Any]]
    say: Callable[[str], None]
    _started: bool = False
    _retry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._started = True
        self.update()

    def stop(self) -> None:
        self._started = False
        self.directory.remove_stack_file()

    def update(self) -> None:
        """Write the file, between `start` and `stop` only. On a full disk the stack goes on with an outdated file."""
        if not self._started:
            return
        failing, self._retry = self._retry, None
        if failing is not None:
            failing.cancel()
        try:
            self.directory.write_stack_file(self.describe())
        except OSError as error:
            if failing is None:
                self.say(f"{STACK_FILE} cannot be written ({error.strerror}); this is tried again until it can")
            self._retry = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.update)


def read_stack(path: Path) -> dict[str, Any] | None:
    """The content of stack.json in this data directory, or None when no stack runs there.

    Raises Failure if another user wrote the file or could have: it decides where essays and passwords are sent.
    """
    try:
        with (path / STACK_FILE).open() as file:
            if why := _unsafe(os.fstat(file.fileno())) or _unsafe(path.stat()):
                raise Failure(f"{path / STACK_FILE}, or its directory, {why}; it is not used (--data-dir)")
            found: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return found


def is_private_stack(path: Path) -> bool:
    """Whether stack.json is readable by its owner only, as `umpire up` writes it."""
    try:
        return not (path / STACK_FILE).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except OSError:
        return False


def _unsafe(status: os.stat_result) -> str | None:
    if status.st_uid != os.geteuid():
        return f"belongs to another user (uid {status.st_uid})"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):04o})"
    return None
