"""SQLite is for one process: a second one refuses to start."""

import fcntl
import os
from pathlib import Path

from assessment.errors import DatabaseInUse


class LockFile:
    """Held until `release` or the end of the process, kill -9 included. Its text is the holder's process id."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """
        Raises
        ------
        DatabaseInUse
            Another process holds it.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(file, 20).decode(errors="replace") or "unknown"
            os.close(file)
            raise DatabaseInUse(
                f"{self._path}: process {holder} uses this SQLite database. Run one assessment process, or set"
                " UMPIRE_DATABASE_URL to a PostgreSQL database"
            ) from None
        os.truncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
