"""The data directory of an embedded stack: one `umpire up` at a time locks it; stack.json has the addresses."""

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cli.failure import Failure

STACK_FILE = "stack.json"


class DataDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_owner()
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
        self.forget()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)

    def _check_owner(self) -> None:
        status = self.path.stat()
        why = _unsafe(status)
        if why is not None:
            mend = f", or `chmod go-w {self.path}`" if status.st_uid == os.geteuid() else ""
            raise Failure(
                f"{self.path} {why}, who could read the essays and passwords in it, or replace its files; choose "
                f"another with --data-dir{mend}"
            )

    def tell(self, stack: Mapping[str, Any]) -> None:
        """Write stack.json atomically, readable by its owner only, since it holds passwords.

        Raises OSError; the file is then unchanged.
        """
        partial = self.path / f".{STACK_FILE}.{os.getpid()}"
        try:
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(stack, indent=2) + "\n")
            partial.replace(self.path / STACK_FILE)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def forget(self) -> None:
        (self.path / STACK_FILE).unlink(missing_ok=True)


def read_stack(path: Path) -> dict[str, Any] | None:
    """The content of stack.json in this data directory, or None when no stack runs there.

    Raises Failure if another user wrote the file or could have: it decides where essays and passwords are sent.
    """
    try:
        with (path / STACK_FILE).open() as file:
            why = _unsafe(os.fstat(file.fileno())) or _unsafe(path.stat())
            if why is not None:
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
