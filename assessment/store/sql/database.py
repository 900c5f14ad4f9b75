"""The connection to SQLite or PostgreSQL: transactions, migrations, and errors that waiting may heal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from assessment.errors import StoreUnavailable
from assessment.store.sql.lock_file import LockFile
from contracts.encoding import dumps, loads

#: Connections of a process. More would wait for the same rows.
CONNECTIONS = 8
#: Longest time of one transaction, in seconds, the wait for its connection and its locks included.
TRANSACTION_SECONDS = 30.0
#: Longest time that PostgreSQL may take to accept a connection, in seconds.
CONNECT_SECONDS = 5

#: Execution option of a transaction that only reads.
_READ = "umpire_reads"


class Database:
    """`url`: DatabaseSettings.sqlalchemy_url."""

    def __init__(self, url: str, *, transaction_seconds: float = TRANSACTION_SECONDS) -> None:
        self._url = make_url(url)
        self._seconds = transaction_seconds
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.engine = self._engine()
        self._lock_file = LockFile(Path(self._url.database or "")) if self.is_sqlite else None
        # SQLite has one writer: the others wait here, in their order, instead of asking again and again.
        self._writer = asyncio.Lock()

    async def open(self) -> None:
        """Make the tables what this version needs.

        Raises
        ------
        DatabaseInUse
            Another process uses this SQLite file.
        StoreUnavailable
            PostgreSQL cannot be reached.
        """
        from assessment.store.sql.migrations.run import upgrade

        if self._lock_file:
            _claim_file(Path(self._url.database or ""), self._lock_file)
        try:
            await upgrade(self)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self.engine.dispose()
        if self._lock_file:
            self._lock_file.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write; committed at the end, rolled back by an exception.

        Raises
        ------
        StoreUnavailable
            The database cannot be reached, is full, chose this transaction to end a deadlock, or took too long.
        """
        async with AsyncExitStack() as stack:
            if self.is_sqlite:
                await stack.enter_async_context(self._writer)
            yield await stack.enter_async_context(self._begin())

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. It waits for no writer. Raises as `transaction`."""
        async with self._begin(**{_READ: True}) as connection:
            yield connection

    @asynccontextmanager
    async def _begin(self, **options: Any) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(self._seconds), self.engine.connect() as connection:
                await connection.execution_options(**options)
                async with connection.begin():
                    yield connection
        except (OperationalError, InterfaceError, NoFreeConnection, TimeoutError, OSError) as error:
            raise StoreUnavailable(_reason(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StoreUnavailable(_reason(error)) from error
            raise

    def _engine(self) -> AsyncEngine:
        codec: dict[str, Any] = {"json_serializer": lambda value: dumps(value).decode(), "json_deserializer": loads}
        if not self.is_sqlite:
            arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "umpire assessment"}
            return create_async_engine(
                self._url,
                pool_size=CONNECTIONS,
                max_overflow=0,
                pool_timeout=self._seconds,
                connect_args=arguments,
                hide_parameters=True,
                **codec,
            )
        engine = create_async_engine(
            self._url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=self._seconds, hide_parameters=True, **codec
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine


def _claim_file(file: Path, lock_file: LockFile) -> None:
    """Lock the file for this process, and create it for this user alone: it holds essays. SQLite's other files take
    its mode.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock_file.acquire()
    file.touch(mode=0o600)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction: `_begin_sqlite` does
    cursor = connection.cursor()
    # WAL: readers wait for no writer. FULL: what was committed survives a crash of the machine.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """IMMEDIATE takes the write lock now: a transaction that read first could not be given it any more."""
    reads = connection.get_execution_options().get(_READ)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _reason(error: BaseException) -> str:
    """The kind of error only: its text may hold parameters."""
    cause = getattr(error, "orig", None) or error
    return f"The database is unavailable ({type(cause).__name__})"
