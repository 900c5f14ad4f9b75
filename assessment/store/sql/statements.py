"""Statements that several stores need, or that SQLAlchemy writes differently for SQLite and PostgreSQL."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

#: Most values in one `IN (…)`. SQLite bounds the parameters of a statement.
_IN = 500


async def insert(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows, which all have the same columns."""
    if rows:
        await connection.execute(table.insert(), rows)


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """As `insert`; a row whose key, or another unique value, is there already leaves that as it is."""
    if rows:
        await connection.execute(_ignoring(table, connection.dialect.name), rows)


async def insert_or_update(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """As `insert`; a row whose primary key is there already replaces its columns."""
    if rows:
        await connection.execute(_upsert(table, connection.dialect.name, frozenset(rows[0])), rows)


async def update_rows(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Update the rows by their primary keys. All rows have the same columns, the key's included."""
    if rows:
        keys = {column.name for column in table.primary_key}
        # A parameter must not have the name of a column that the statement sets.
        marked = [{f"key_{n}" if n in keys else n: value for n, value in row.items()} for row in rows]
        await connection.execute(_update(table, frozenset(rows[0]) - keys), marked)


def _insert(table: Table, dialect: str) -> Any:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@cache
def _ignoring(table: Table, dialect: str) -> Any:
    return _insert(table, dialect).on_conflict_do_nothing()


@cache
def _upsert(table: Table, dialect: str, names: frozenset[str]) -> Any:
    made = _insert(table, dialect)
    keys = {column.name for column in table.primary_key}
    changed = {name: made.excluded[name] for name in sorted(names - keys)}
    return made.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


@cache
def _update(table: Table, names: frozenset[str]) -> Any:
    where = and_(*(column == bindparam(f"key_{column.name}") for column in table.primary_key))
    return update(table).where(where).values({name: bindparam(name) for name in sorted(names)})


async def claim(
    connection: AsyncConnection,
    table: Table,
    *,
    now: float,
    limit: int,
    lease_seconds: float,
    due: str = "due_at",
    lease: str = "due_at",
) -> list[tuple[Any, ...]]:
    """Primary keys of the rows that have been due for longest, leased to the caller.

    `due` is the column with the time at which a row is due, `lease` the one until when it is leased. With one column
    for both, a lease puts off when the row is due. If the caller is killed, the row is due again when the lease ends.
    """
    at, until, keys = table.c[due], table.c[lease], list(table.primary_key)
    query = select(*keys).where(at <= now, until <= now).order_by(at).limit(limit)
    # Rows that another process holds at this moment are passed over; SQLite has no others.
    claimed = [tuple(row) for row in await connection.execute(query.with_for_update(skip_locked=True))]
    names = [column.name for column in keys]
    await update_rows(
        connection, table, [dict(zip(names, key, strict=True)) | {lease: now + lease_seconds} for key in claimed]
    )
    return claimed


async def select_in(
    connection: AsyncConnection,
    columns: Sequence[ColumnElement[Any]],
    column: ColumnElement[Any],
    values: Collection[Any],
    *also: ColumnElement[bool],
) -> list[Any]:
    """Rows whose `column` is one of `values`."""
    ordered, found = list(values), list[Any]()
    for start in range(0, len(ordered), _IN):
        found += await connection.execute(select(*columns).where(column.in_(ordered[start : start + _IN]), *also))
    return found
