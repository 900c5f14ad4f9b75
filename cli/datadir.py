"""The data directory of an embedded stack: one `umpire up` at a time, and stack.json, which tells where things are."""

import fcntl
import json
import os
from collections.abc import Mapping
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
            # Held by the open file: the kernel lets go of it however this process ends.
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

    def tell(self, stack: Mapping[str, Any]) -> None:
        """Write stack.json, readable by its owner only (it holds passwords); a reader sees all of it or nothing."""
        partial = self.path / f".{STACK_FILE}.{os.getpid()}"
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(stack, indent=2) + "\n")
        partial.replace(self.path / STACK_FILE)

    def forget(self) -> None:
        (self.path / STACK_FILE).unlink(missing_ok=True)


def read_stack(path: Path) -> dict[str, Any] | None:
    """What the stack in this data directory told of itself, or None when none is up."""
    try:
        found: dict[str, Any] = json.loads((path / STACK_FILE).read_text())
    except (OSError, ValueError):
        return None
    return found
