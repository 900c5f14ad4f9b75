"""The spool: requests accepted while Redis is away, in one SQLite file for all API processes of a host.

WAL and synchronous=FULL: what was accepted is on disk before it is confirmed. Bounded by count and bytes. From the high
watermark on it refuses everything, until it has drained to the low one; that state is in the file too, so that all
processes, and the next start, agree.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from contracts.errors import QueueFull, Unavailable
from contracts.settings import SpoolSettings
from ledger.group import GroupCommit
from ledger.request import StoredRequest
from ledger.unreadable import Unreadable
from ledger.watermarks import Watermarks
from telemetry.observer import Observer, silent

T = TypeVar("T")

#: Seconds that a writer waits for another process to finish its transaction. Redis may have been given one before that,
#: and who asks is answered within two.
BUSY_SECONDS = 0.8

#: After this a client may ask again, in seconds: the spool empties only when Redis is back.
FULL_RETRY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (number INTEGER PRIMARY KEY, queue_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1), refusing INTEGER NOT NULL, drainer TEXT NOT NULL, until REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS unreadable (queue_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, 0, '', 0);
"""

#: Set aside by another version.
_BACK = """
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO request (queue_id, body) SELECT queue_id, body FROM unreadable;
DELETE FROM unreadable;
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class SpoolSize:
    requests: int
    bytes: int
    refusing: bool
    usage: float
    """Share of what the spool takes at most: by count or by bytes, whichever is more."""


class Spool:
    """Used from one event loop; SQLite runs in a thread of its own."""

    def __init__(self, settings: SpoolSettings, owner: str, observer: Observer = silent) -> None:
        self._settings = settings
        self._unreadable = Unreadable(observer)
        self._owner = owner
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._file: sqlite3.Connection | None = None
        #: Nothing was written since the log was last emptied. A log that an earlier process left may be full.
        self._clean = False
        self._group: GroupCommit[tuple[str, bytes], QueueFull | None] = GroupCommit(
            self._put, weigh=lambda row: len(row[1])
        )
        self._marks = Watermarks.of(
            settings.queue_max_size,
            settings.queue_max_memory_mb,
            low=settings.queue_low_watermark,
            high=settings.queue_high_watermark,
        )

    async def put(self, stored: StoredRequest) -> None:
        """Take a request; concurrent ones share a commit. Taking it twice changes nothing.

        Raises
        ------
        QueueFull
            Above the high watermark, or not yet back at the low one.
        Unavailable
            The file cannot be written.
        """
        refused = await self._group.submit((str(stored.queue_id), stored.model_dump_json(exclude_none=True).encode()))
        if refused is not None:
            raise refused

    async def oldest(self, most: int) -> list[StoredRequest]:
        """What this version cannot read is set aside, and comes again when the file is next opened, by a newer one."""
        rows = await self._do(
            lambda file: file.execute("SELECT queue_id, body FROM request ORDER BY number LIMIT ?", (most,)).fetchall()
        )
        read = {queue_id: self._unreadable.read(queue_id.encode(), body) for queue_id, body in rows}
        aside = [(queue_id,) for queue_id, stored in read.items() if stored is None]
        if aside:
            await self._do(lambda file: _set_aside(file, aside))
        return [stored for stored in read.values() if stored is not None]

    async def remove(self, queue_ids: Sequence[str]) -> None:
        """The ledger has them."""

        def delete(file: sqlite3.Connection) -> bool:
            self._clean = False
            file.execute("BEGIN IMMEDIATE")
            file.executemany("DELETE FROM request WHERE queue_id = ?", [(queue_id,) for queue_id in queue_ids])
            requests, size, refusing = _size(file)
            if refusing and not self._marks.refuse(True, requests, size, 0):
                file.execute("UPDATE state SET refusing = 0")
            file.execute("COMMIT")
            return not requests

        if await self._do(delete):
            await self.scrub()

    async def scrub(self) -> bool:
        """The log beside the file would keep the texts that went through it for as long as a process has it open.

        To be called when nothing is in the spool. False while another process is using the file: call again.
        """
        if self._clean:
            return True
        (busy, _, _) = await self._do(lambda file: file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        self._clean = not busy
        return self._clean

    async def holds(self, queue_id: UUID, owner: str | None = None) -> bool:
        """`owner`: only if it is this one's."""
        found = "SELECT body FROM request WHERE queue_id = ?"
        row = await self._do(lambda file: file.execute(found, (str(queue_id),)).fetchone())
        if row is None or owner is None:
            return row is not None
        stored = self._unreadable.read(str(queue_id).encode(), row[0])
        return stored is not None and stored.owner == owner

    async def lease(self, seconds: float) -> bool:
        """Be the one process that drains, for so many seconds; it lapses by itself."""

        def take(file: sqlite3.Connection) -> bool:
            now = time.time()
            cursor = file.execute(
                "UPDATE state SET drainer = ?, until = ? WHERE drainer = ? OR until < ? OR until > ?",
                # An end further away than any lease was written before the clock was set back.
                (self._owner, now + seconds, self._owner, now, now + 10 * seconds),
            )
            return cursor.rowcount == 1

        return await self._do(take)

    async def size(self) -> SpoolSize:
        requests, size, refusing = await self._do(_size)
        return SpoolSize(requests, size, refusing, self._marks.usage(requests, size))

    async def close(self) -> None:
        """The file stays; a later use opens it again."""

        def close() -> None:
            if self._file is not None:
                self._file.close()
                self._file = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)

    async def _put(self, rows: Sequence[tuple[str, bytes]]) -> list[QueueFull | None]:
        return await self._do(lambda file: self._insert(file, rows))

    def _insert(self, file: sqlite3.Connection, rows: Sequence[tuple[str, bytes]]) -> list[QueueFull | None]:
        self._clean = False
        file.execute("BEGIN IMMEDIATE")
        requests, size, refusing = _size(file)
        was, answers = refusing, list[QueueFull | None]()
        for queue_id, body in rows:
            if file.execute("SELECT 1 FROM request WHERE queue_id = ?", (queue_id,)).fetchone():
                answers.append(None)
                continue
            refusing = self._marks.refuse(refusing, requests, size, len(body))
            if refusing:
                full = QueueFull("Queue at capacity", retry_after=FULL_RETRY_SECONDS, backend="spool", size=requests)
                answers.append(full)
                continue
            file.execute("INSERT INTO request (queue_id, body) VALUES (?, ?)", (queue_id, body))
            requests, size = requests + 1, size + len(body)
            answers.append(None)
        if refusing != was:
            file.execute("UPDATE state SET refusing = ?", (int(refusing),))
        file.execute("COMMIT")
        return answers

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the spool cannot be used: {type(error).__name__}", retry_after=5.0) from error

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._file is None:
            self._file = _open(self._settings.spool_path)
        try:
            return work(self._file)
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)  # essays lie in it
    file = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    # What was drained leaves no essay behind in the file's free pages.
    file.execute("PRAGMA secure_delete = ON")
    file.executescript(_SCHEMA)
    if file.execute("SELECT 1 FROM unreadable LIMIT 1").fetchone():
        file.executescript(_BACK)
    return file


def _set_aside(file: sqlite3.Connection, queue_ids: Sequence[tuple[str]]) -> None:
    file.execute("BEGIN IMMEDIATE")
    file.executemany(
        "INSERT OR IGNORE INTO unreadable SELECT queue_id, body FROM request WHERE queue_id = ?", queue_ids
    )
    file.executemany("DELETE FROM request WHERE queue_id = ?", queue_ids)
    file.execute("COMMIT")


def _size(file: sqlite3.Connection) -> tuple[int, int, bool]:
    requests, size = file.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM request").fetchone()
    (refusing,) = file.execute("SELECT refusing FROM state").fetchone()
    return requests, size, bool(refusing)
