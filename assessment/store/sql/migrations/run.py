"""Runs the migrations when a process starts, one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from assessment.store.sql.database import Database

_HERE = Path(__file__).parent

#: Name of the advisory lock that a migrating process holds: the first bytes of "umpire".
_LOCK = 0x756D70697265


async def upgrade(database: Database, revision: str = "head") -> None:
    await _run(database, command.upgrade, revision)


async def downgrade(database: Database, revision: str) -> None:
    """`base` removes all tables and all that they hold."""
    await _run(database, command.downgrade, revision)


async def _run(database: Database, order: object, revision: str) -> None:
    async with database.transaction() as connection:
        # Until the end of the transaction. On SQLite the lock file has kept others out.
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_alembic, order, revision)


def _alembic(connection: Connection, order: object, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        return  # a newer version has migrated it, in a way that this one can live with
    order(config, revision)  # type: ignore[operator]
