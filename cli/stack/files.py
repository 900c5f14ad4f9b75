"""A part's log file. The part writes to it directly. It is rotated by copying and truncating, so that the part can keep
appending to the open file.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

#: A log is rotated above this size; one older file is kept.
LIMIT_BYTES = 20_000_000
_TAIL_BYTES = 8_000


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def open(self) -> BinaryIO | None:
        """The file, opened to append, or None if that fails: the part then writes to the supervisor's output."""
        self.cut()
        try:
            return self.path.open("ab", buffering=0)
        except OSError:
            return None

    def cut(self, limit: int = LIMIT_BYTES) -> None:
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
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])
