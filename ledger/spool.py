"""The spool: requests accepted while Redis is unavailable, in one SQLite file for all API processes of a host.

WAL and synchronous=FULL: a request is on disk before it is confirmed. Bounded by count and bytes: at the high watermark
it refuses every request until it has drained to the low one. That state is in the file too, so that all processes
agree, also after a restart.
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
from ledger.redis.group_commit import GroupCommit
from ledger.redis.pieces import in_pieces
from ledger.request import RequestReader, StoredRequest
from ledger.watermarks import Watermarks
from telemetry.observer import Observer, silent

T = TypeVar("T")

#: Seconds that a writer waits for another process to finish its transaction. Waiting for Redis may have taken one
#: second before, and a client must be answered within two.
BUSY_SECONDS = 0.8

#: Retry-After of a full spool, in seconds: it drains only when Redis is back.
FULL_RETRY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (number INTEGER PRIMARY KEY, queue_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1), refusing INTEGER NOT NULL, drainer TEXT NOT NULL, until REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS unreadable (queue_id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, 0, '', 0);
"""

#: Moves requests that another version set aside back into the spool.
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
    """Used share of the spool's high watermark, by count or by bytes, whichever is larger."""


class Spool:
    """To be used from one event loop; SQLite runs in a separate thread."""

    def __init__(self, settings: SpoolSettings, owner: str, observer: Observer = silent) -> None:
        self._settings = settings
        self._reader = RequestReader(observer)
        self._owner = owner
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._file: sqlite3.Connection | None = None
        #: Nothing was written since the WAL was last truncated. False at first: an earlier process may have left one.
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
        """Store a request; concurrent calls share a commit. Storing it twice changes nothing.

        Raises
        ------
        QueueFull
            The spool is at its high watermark, or has not drained to the low one yet.
        Unavailable
            The file cannot be written.
        """
        refused = await self._group.submit(_row(stored))
        if refused is not None:
            raise refused

    async def put_all(self, requests: Sequence[StoredRequest]) -> list[QueueFull | None]:
        """As `put`, in one transaction. Returns the QueueFull of each request that was refused. Raises Unavailable."""
        return await self._put([_row(stored) async for stored in in_pieces(requests)])

    async def oldest(self, most: int) -> list[StoredRequest]:
        """Up to `most` requests, oldest first. Those that this version cannot read are set aside; they return to the
        spool when the file is next opened, as by a newer version.
        """
        rows = await self._do(
            lambda file: file.execute("SELECT queue_id, body FROM request ORDER BY number LIMIT ?", (most,)).fetchall()
        )
        read = {queue_id: self._reader.read(queue_id.encode(), body) for queue_id, body in rows}
        aside = [(queue_id,) for queue_id, stored in read.items() if stored is None]
        if aside:
            await self._do(lambda file: _set_aside(file, aside))
        return [stored for stored in read.values() if stored is not None]

    async def remove(self, queue_ids: Sequence[str]) -> None:
        """Delete requests that the ledger has taken over."""

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
        """Truncate the WAL, which would keep the requests' texts for as long as a process has the file open.

        Call it when the spool is empty. Returns False while another process uses the file: call it again.
        """
        if self._clean:
            return True
        (busy, _, _) = await self._do(lambda file: file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        self._clean = not busy
        return self._clean

    async def holds(self, queue_id: UUID, owner: str | None = None) -> bool:
        """Whether the request is in the spool. `owner`: only if the API key with this id submitted it."""
        found = "SELECT body FROM request WHERE queue_id = ?"
        row = await self._do(lambda file: file.execute(found, (str(queue_id),)).fetchone())
        if row is None or owner is None:
            return row is not None
        stored = self._reader.read(str(queue_id).encode(), row[0])
        return stored is not None and stored.owner == owner

    async def lease(self, seconds: float) -> bool:
        """Take or keep the right to drain the spool for `seconds`, as the only process. Returns whether we have it."""

        def take(file: sqlite3.Connection) -> bool:
            now = time.time()
            cursor = file.execute(
                "UPDATE state SET drainer = ?, until = ? WHERE drainer = ? OR until < ? OR until > ?",
                # An end later than any lease could have was written before the clock was set back.
                (self._owner, now + seconds, self._owner, now, now + 10 * seconds),
            )
            return cursor.rowcount == 1

        return await self._do(take)

    async def size(self) -> SpoolSize:
        requests, size, refusing = await self._do(_size)
        return SpoolSize(requests, size, refusing, self._marks.usage(requests, size))

    async def close(self) -> None:
        """Close the file, but keep it; the next use opens it again."""

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


def _row(stored: StoredRequest) -> tuple[str, bytes]:
    return str(stored.queue_id), stored.to_bytes()


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)  # it holds essays
    file = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    # Deleted essays must not remain in the file's free pages.
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
