"""The database: migrations up and down, one process on SQLite, and errors that waiting may heal."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from umpire_store import NOW, event, new_assessment, running, verdict

from assessment.errors import DatabaseInUse, StoreUnavailable
from assessment.store.sql.columns import metadata
from assessment.store.sql.database import Database
from assessment.store.sql.migrations.run import downgrade, upgrade
from assessment.store.store import AssessmentStore
from devtools.servers import ROOT, clean_environment


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request, tmp_path):
    return (
        f"sqlite+aiosqlite:///{tmp_path}/deep/down/a.sqlite3"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )


async def names(database):
    async with database.reading() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_migrations_lead_to_the_tables_and_back(empty_url):
    database = Database(empty_url)
    await database.open()
    async with database.reading() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    assert differences == []
    assert await names(database) == {*metadata.tables, "alembic_version"}
    await upgrade(database)  # again: nothing to do
    await downgrade(database, "base")
    assert await names(database) == {"alembic_version"}
    await upgrade(database)
    assert await names(database) == {*metadata.tables, "alembic_version"}
    await database.close()


async def test_a_version_starts_on_a_database_that_a_newer_one_has_migrated(empty_url):
    database = Database(empty_url)
    await database.open()
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    await database.close()
    again = Database(empty_url)
    await again.open()
    await again.close()


async def test_nobody_else_may_read_the_sqlite_file(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/own/a.sqlite3")
    await database.open()
    await running(AssessmentStore(database))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "own").iterdir()}
    assert {"a.sqlite3", "a.sqlite3-wal", "a.sqlite3.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}
    await database.close()


@pytest.mark.postgres
async def test_processes_that_start_at_once_migrate_one_after_the_other(postgres_url):
    databases = [Database(postgres_url) for _ in range(4)]
    await asyncio.gather(*(database.open() for database in databases))
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_second_process_on_sqlite_refuses_to_start_until_the_first_is_gone(sqlite_url):
    hold = "import asyncio, sys; from assessment.store.sql.database import Database\n"
    hold += f"asyncio.run(Database({sqlite_url!r}).open()); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdin=pipe, stdout=pipe) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(DatabaseInUse, match=f"process {other.pid} uses this SQLite database"):
            await Database(sqlite_url).open()
        other.kill()
        other.wait()
    database = Database(sqlite_url)
    await database.open()
    await database.close()
    again = Database(sqlite_url)
    await again.open()
    await again.close()


async def test_a_secret_is_the_same_for_all(store, database_url):
    made = await asyncio.gather(*(store.secret("boundary") for _ in range(5)))
    other = AssessmentStore(Database(database_url))
    made.append(await other.secret("boundary"))
    assert len(set(made)) == 1
    assert len(made[0]) == 32
    assert await other.secret("another") != made[0]
    await other.database.close()


async def test_a_reader_waits_for_no_writer(store):
    its_id = await running(store)
    async with store.assessments.locked(its_id) as unit:
        state = await asyncio.wait_for(store.assessments.read(its_id), 5)
        assert state == unit.state


@pytest.mark.postgres
async def test_another_process_is_not_kept_waiting_by_a_locked_assessment(migrated_postgres_url):
    one, other = (AssessmentStore(Database(migrated_postgres_url)) for _ in range(2))
    locked = await running(one, batch="a")
    free = await running(one, batch="b")
    async with one.assessments.locked(locked):
        assert await other.assessments.claim_due(now=NOW + 1e6, limit=9, lease_seconds=1) == [free]
    for store in (one, other):
        await store.database.close()


@pytest.mark.postgres
async def test_two_processes_at_once_take_each_step_event_and_text_once(migrated_postgres_url):
    stores = [AssessmentStore(Database(migrated_postgres_url)) for _ in range(2)]
    for n in range(10):
        await stores[0].assessments.create(new_assessment(batch=str(n), ready=False), now=NOW, events=[event()])

    async def take(store):
        steps = await store.assessments.claim_due(now=NOW, limit=10, lease_seconds=60)
        texts = await store.texts.claim(now=NOW, limit=40, lease_seconds=60)
        events = await store.outbox.claim(now=NOW, limit=10, lease_seconds=60)
        return steps, [(one.assessment, one.index) for one in texts], [one.number for one in events]

    first, second = await asyncio.gather(*map(take, stores))
    left = await take(stores[0])
    for kind, count in enumerate((10, 40, 10)):
        taken = [*first[kind], *second[kind], *left[kind]]
        assert len(taken) == len(set(taken)) == count
    for store in stores:
        await store.database.close()


@pytest.mark.postgres
async def test_an_unreachable_database_is_unavailable_and_heals(postgres_server):
    server = postgres_server()
    database = Database(server.url(server.create_database()), transaction_seconds=2)
    await database.open()
    store = AssessmentStore(database)
    its_id = await running(store)
    server.kill()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.callbacks.record([verdict(its_id, 0)], now=NOW)
    server.start()
    for _ in range(10):  # each connection of the pool may have to fail once
        try:
            recorded = await store.callbacks.record([verdict(its_id, 0)], now=NOW)
            break
        except StoreUnavailable:
            continue
    assert len(recorded.new) == 1
    await database.close()


@pytest.mark.postgres
async def test_a_frozen_database_is_unavailable_and_answers_after_the_thaw(postgres_server):
    """Takes 11 seconds: the driver waits twice for 5 seconds that a query is cancelled."""
    server = postgres_server()
    database = Database(server.url(server.create_database()), transaction_seconds=1)
    await database.open()
    store = AssessmentStore(database)
    its_id = await running(store)
    server.pause()
    with pytest.raises(StoreUnavailable):
        await store.callbacks.record([verdict(its_id, 0)], now=NOW)
    server.resume()
    recorded = await store.callbacks.record([verdict(its_id, 0)], now=NOW)
    assert len(recorded.new) + len(recorded.repeated) == 1
    await database.close()


@pytest.mark.postgres
async def test_an_address_without_a_server_is_unavailable():
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")
    with pytest.raises(StoreUnavailable):
        await database.open()


async def test_no_error_quotes_what_was_stored(store):
    with pytest.raises(Exception) as error:
        async with store.database.transaction() as connection:
            await connection.execute(text("INSERT INTO no_such_table VALUES (:essay)"), {"essay": "canary"})
    assert "canary" not in str(error.value)


def test_only_the_store_imports_sql():
    code = "import sys, assessment.prompts, assessment.request_event, assessment.workflow.decide\n"
    code += "print([name for name in ('sqlalchemy', 'alembic', 'psycopg') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("package", ["service.app", "tasks.app", "cli.main"])
def test_neither_api_nor_worker_nor_command_imports_it(package):
    code = f"import sys, {package}\nprint(sorted(n for n in sys.modules if n.startswith(('sqlalchemy', 'alembic',"
    code += " 'psycopg', 'aiosqlite', 'contracts.assessment.'))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_lock_file_names_its_holder_and_is_private(tmp_path):
    from assessment.store.sql.lock_file import LockFile

    lock = LockFile(tmp_path / "a.sqlite3")
    lock.acquire()
    path = Path(f"{tmp_path}/a.sqlite3.lock")
    assert path.read_text() == str(os.getpid())
    assert path.stat().st_mode & 0o777 == 0o600
    lock.release()
