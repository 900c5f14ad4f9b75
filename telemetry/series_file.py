"""Numbers of one process, as 64-bit floats in a mapped file: other processes read them, its successor continues them.

A counter in a process' memory starts at 0 again after the process is killed, and a scrape of several processes reaches
only one of them. Here each series has a fixed place in a file of its process: adding to it is a store to memory, a
scrape reads the files of all processes, and a process that takes a dead one's place continues its numbers.

The file is a row of chunks. A chunk begins with the number of its 8-byte words in use. Entries follow: a word with the
length of the key in its upper half and the count of numbers in its lower one; the key, padded to words; the numbers.
"""

import json
import math
import mmap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

#: A multiple of every system's page size.
CHUNK_BYTES = 65_536
_WORD = 8

#: Kinds of series: a counter, whose value survives its process, and a level, which is valid while its process runs.
COUNTER, GAUGE = "c", "l"

if TYPE_CHECKING:
    Numbers = memoryview[float]
    Bytes = memoryview[int]
else:  # they are generic from Python 3.14 on
    Numbers = Bytes = memoryview

#: An encoded key, and its numbers. The key stays encoded, so that a repeated reader need decode it only once.
SeriesEntry = tuple[bytes, Numbers]


@dataclass(frozen=True, slots=True)
class SeriesKey:
    kind: str
    metric: str
    labels: tuple[str, ...]

    def encode(self) -> bytes:
        return json.dumps([self.kind, self.metric, *self.labels], separators=(",", ":")).encode()

    @classmethod
    def decode(cls, text: bytes) -> "SeriesKey":
        """Raises ValueError if it is not a list of strings: no version of this program wrote it."""
        words = json.loads(text)
        if not (isinstance(words, list) and len(words) > 1 and all(isinstance(word, str) for word in words)):
            raise ValueError("not a key")
        kind, metric, *labels = words
        return cls(kind, metric, tuple(labels))


class SeriesFile:
    """The series of this process. Not thread-safe: its owner has a lock."""

    def __init__(self, file: BinaryIO | None = None) -> None:
        """`file`: opened for reading and writing, unbuffered. Its counters continue; levels have no value at first."""
        self._file = file
        self._chunks: list[Bytes] = []
        self._found: dict[tuple[SeriesKey, int], Numbers] = {}
        if file is not None:
            size = file.seek(0, 2)
            for start in range(0, size - CHUNK_BYTES + 1, CHUNK_BYTES):
                self._chunks.append(memoryview(mmap.mmap(file.fileno(), CHUNK_BYTES, offset=start)))
        for text, numbers in self:
            with suppress(ValueError):
                key = SeriesKey.decode(text)
                self._found[key, len(numbers)] = numbers
                if key.kind == GAUGE:
                    numbers[0] = math.nan

    def __iter__(self) -> Iterator[SeriesEntry]:
        for chunk in self._chunks:
            yield from _entries(chunk)

    def take(self, key: SeriesKey, count: int) -> Numbers:
        """The place of a series: `count` numbers for the caller to write, 0 at first."""
        if (found := self._found.get((key, count))) is not None:
            return found
        text = key.encode()
        words = 1 + -(-len(text) // _WORD) + count
        if not self._chunks or self._chunks[-1].cast("Q")[0] + words > CHUNK_BYTES // _WORD:
            self._chunks.append(self._new_chunk())
        chunk = self._chunks[-1]
        used = chunk.cast("Q")[0] or 1
        chunk.cast("Q")[used] = len(text) << 32 | count
        chunk[(used + 1) * _WORD : (used + 1) * _WORD + len(text)] = text
        chunk.cast("Q")[0] = used + words  # last, so that a concurrent reader never sees half an entry
        numbers = self._found[key, count] = chunk.cast("d")[used + words - count : used + words]
        return numbers

    def _new_chunk(self) -> Bytes:
        if self._file is not None:
            try:
                start = self._file.seek(0, 2)
                # Written, not only extended: a store to a page for which a full disk has no room kills the process.
                if self._file.write(bytes(CHUNK_BYTES)) == CHUNK_BYTES:
                    return memoryview(mmap.mmap(self._file.fileno(), CHUNK_BYTES, offset=start))
                self._file.truncate(start)
            except OSError:
                pass
        # On a full disk the numbers stay in memory: scrapes of this process show them, those of other processes do not.
        return memoryview(bytearray(CHUNK_BYTES))


def read(path: Path) -> Iterator[SeriesEntry]:
    """The series of another process, alive or dead. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2) // CHUNK_BYTES * CHUNK_BYTES
        if not size:
            return
        # Mapped, not copied: each number is then read with one load from memory, which cannot see half a store.
        whole = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        for start in range(0, size, CHUNK_BYTES):
            yield from _entries(whole[start : start + CHUNK_BYTES])


def _entries(chunk: Bytes) -> Iterator[SeriesEntry]:
    """Stops at the first entry whose length is wrong."""
    words, numbers = chunk.cast("Q"), chunk.cast("d")
    at, used = 1, min(words[0], CHUNK_BYTES // _WORD)
    while at < used:
        head = words[at]
        length, count = head >> 32, head & 0xFFFF_FFFF
        start = (at + 1) * _WORD
        at += 1 + -(-length // _WORD) + count
        if at > used:
            return
        if count:
            yield chunk[start : start + length].tobytes(), numbers[at - count : at]
