"""A part's log file. The part writes to it directly; it is cut by copying and truncating, which appending writers
survive.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

#: A log is cut above this size; one older generation is kept.
LIMIT_BYTES = 20_000_000
_TAIL_BYTES = 8_000


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def open(self) -> BinaryIO | None:
        """None where the disk takes no further file: the part then writes where the supervisor writes."""
        self.cut()
        try:
            return self.path.open("ab", buffering=0)
        except OSError:
            return None

    def cut(self, limit: int = LIMIT_BYTES) -> None:
        """On a full disk the older generation goes, so that the next time there is room for the newer one."""
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
        """The last lines, for the message that tells why a part does not start."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])
