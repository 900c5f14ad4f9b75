"""Files of processes whose metrics are scraped together: one each in a common directory, `api-1.metrics`, and locked.

The kernel releases the lock however a process ends, so a successor takes the lowest free place, and its file.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".metrics"

#: Tries to lock a file, and seconds between them: `is_running` locks a file for some microseconds without owning it.
_TRIES, _PAUSE = 5, 0.005


@dataclass(frozen=True, slots=True)
class ProcessFile:
    #: Such as `api-1`: the value of the label `process`.
    process: str
    #: Locked as long as it is open.
    file: BinaryIO


def take_process_file(directory: Path, kind: str) -> ProcessFile:
    """Lock the lowest free place of a kind, such as `api` or `worker-mock`. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = 1
    while True:
        process = f"{kind}-{number}"
        descriptor = os.open(directory / f"{process}{_SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        if _lock(file):
            return ProcessFile(process, file)
        file.close()
        number += 1


def _lock(file: BinaryIO) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def process_files(directory: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each process that has taken a place, also of dead ones."""
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        yield path.name.removesuffix(_SUFFIX), path


def is_running(path: Path) -> bool:
    """Whether a process holds the file's lock. Raises OSError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
