"""A file with the process ids of a part that has several, written by the part and read by its supervisor."""

import json
import os
from contextlib import suppress
from pathlib import Path


class PidsFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, pids: list[int]) -> None:
        """Write the file atomically. Raises OSError."""
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            partial.write_text(json.dumps(pids))
            partial.replace(self.path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def read(self) -> list[int]:
        """The process ids; empty if there is no readable file."""
        try:
            return [int(pid) for pid in json.loads(self.path.read_text())]
        except (OSError, ValueError):
            return []

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
