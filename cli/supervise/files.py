"""Files of a running stack: written atomically, and the parts' logs, which are rotated."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

#: A log is rotated above this size; one older file is kept.
LIMIT_BYTES = 20_000_000

#: File modes: readable by the owner only, or as the umask allows.
PRIVATE, PUBLIC = 0o600, 0o666


def write_atomically(path: Path, text: str, *, mode: int = PRIVATE) -> None:
    """Replace the file's content. Raises OSError; the file is then unchanged."""
    # Hidden, and without the file's suffix at its end: Prometheus often reads all *.json of a directory.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.touch(mode=mode)
        partial.write_text(text)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def read_pids(path: Path) -> list[int]:
    """The process ids in a file that a part with several processes writes; empty if there is no readable file."""
    try:
        return [int(pid) for pid in json.loads(path.read_text())]
    except (OSError, ValueError):
        return []


class LogFile:
    """A part's log. The part appends to the open file, so it is rotated by copying and truncating."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def open(self) -> BinaryIO | None:
        """The file, opened to append, or None if that fails: the part then writes to the supervisor's output."""
        self.rotate()
        try:
            return self.path.open("ab", buffering=0)
        except OSError:
            return None

    def rotate(self, limit: int = LIMIT_BYTES) -> None:
        """Rotate the log if it is larger than `limit` bytes. On a full disk, delete the older file to make room."""
        older = self.path.with_suffix(".log.1")
        try:
            if self.path.exists() and self.path.stat().st_size > limit:
                shutil.copyfile(self.path, older)
                with self.path.open("r+b") as file:
                    file.truncate(0)
        except OSError:
            with suppress(OSError):
                older.unlink(missing_ok=True)

    def tail(self, lines: int = 12) -> str:
        """The last lines, for the message about a part that does not start."""
        text = self.path.read_text(errors="replace") if self.path.exists() else ""
        return "\n".join(text.strip().splitlines()[-lines:])
