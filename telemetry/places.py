"""The processes that tell their metrics together: each has a file in one directory, `api-1.metrics`, and a lock on it.

The kernel gives the lock up however a process ends, so a successor takes the lowest place that is free, and its file.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".metrics"

#: Whoever looks whether a file is locked locks it for some microseconds, which is not to be taken for its owner.
_TRIES, _PAUSE = 5, 0.005


@dataclass(frozen=True, slots=True)
class Place:
    #: Such as `api-1`: the value of the label `process`.
    process: str
    #: Open, and locked as long as it is.
    file: BinaryIO


def take_place(directory: Path, kind: str) -> Place:
    """`kind`: such as `api`, `worker-mock`. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = 1
    while True:
        process = f"{kind}-{number}"
        descriptor = os.open(directory / f"{process}{_SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        if _lock(file):
            return Place(process, file)
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


def places(directory: Path) -> Iterator[tuple[str, Path]]:
    """Process and file of each that has been there, dead ones too."""
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        yield path.name.removesuffix(_SUFFIX), path


def is_running(path: Path) -> bool:
    """Its process holds its lock. Raises OSError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
