"""Each test of the store runs twice: on SQLite and on PostgreSQL, on an empty database with all tables."""

import asyncio
import shutil

import pytest

from assessment.store.sql.columns import metadata
from assessment.store.sql.database import Database
from assessment.store.store import AssessmentStore


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory):
    """A file with all tables, to be copied: a migration takes longer than a test."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def _postgres_database(_postgres):
    """The session's server, and a database with all tables on it, which is made once."""
    made = []

    def database():
        server = _postgres.get()
        if not made:
            name = server.create_database()
            asyncio.run(_migrate(server.url(name)))
            made.append(name)
        return server, made[0]

    return database


async def _migrate(url):
    database = Database(url)
    await database.open()
    await database.close()


@pytest.fixture
def sqlite_url(_sqlite_template, tmp_path):
    path = tmp_path / "assessment.sqlite3"
    shutil.copy(_sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def migrated_postgres_url(_postgres_database, need_tool):
    """Emptied for each test, which is quicker than a database of its own."""
    server, name = need_tool(_postgres_database)
    tables = ", ".join(metadata.tables)
    server.sql(f"TRUNCATE {tables} RESTART IDENTITY", name)
    return server.url(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request):
    fixture = "sqlite_url" if request.param == "sqlite" else "migrated_postgres_url"
    return request.getfixturevalue(fixture)


@pytest.fixture
async def store(database_url):
    database = Database(database_url)
    yield AssessmentStore(database)
    await database.close()
