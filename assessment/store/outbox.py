"""The outbox: events that are published at least once, always as the same bytes."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select, update

from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.statements import claim, insert_new, select_in
from assessment.store.stored import OutboxEvent


class QueuedEvent(NamedTuple):
    """`number`: in the order in which events were stored."""

    number: int
    event: OutboxEvent


def outbox_rows(events: Sequence[OutboxEvent], now: float, assessment: UUID | None) -> list[dict[str, Any]]:
    return [
        {
            "event_id": event.event_id,
            "assessment_id": assessment,
            "topic": event.topic,
            "key": event.key,
            "headers": event.headers,
            "value": event.value,
            "created_at": now,
            "due_at": now,
        }
        for event in events
    ]


class EventOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, events: Sequence[OutboxEvent], *, now: float) -> None:
        """For events of requests that became no assessment. One that was stored before is left as it is."""
        async with self._database.transaction() as connection:
            await insert_new(connection, tables.outbox, outbox_rows(events, now, None))

    async def claim(self, *, now: float, limit: int, lease_seconds: float) -> list[QueuedEvent]:
        """Events to publish, in order. One that is not `published` is due again when the lease ends."""
        table = tables.outbox
        columns = (table.c.id, table.c.event_id, table.c.topic, table.c.key, table.c.headers, table.c.value)
        async with self._database.transaction() as connection:
            keys = await claim(connection, table, now=now, limit=limit, lease_seconds=lease_seconds)
            rows = await select_in(connection, columns, table.c.id, [key[0] for key in keys])
        return sorted((QueuedEvent(row[0], OutboxEvent(*row[1:])) for row in rows), key=lambda queued: queued.number)

    async def published(self, numbers: Collection[int], *, now: float) -> None:
        """Kafka has acknowledged these events."""
        table = tables.outbox
        async with self._database.transaction() as connection:
            where = table.c.id.in_(list(numbers))
            await connection.execute(update(table).where(where).values(due_at=None, published_at=now))

    async def oldest(self, *, now: float) -> float:
        """Age in seconds of the oldest event that is not published; 0 without one."""
        table = tables.outbox
        async with self._database.reading() as connection:
            created = await connection.scalar(select(func.min(table.c.created_at)).where(table.c.due_at.is_not(None)))
        return 0.0 if created is None else max(now - created, 0.0)

    async def forget(self, *, published_before: float) -> int:
        """Remove events that were published before; returns how many."""
        table = tables.outbox
        async with self._database.transaction() as connection:
            done = await connection.execute(delete(table).where(table.c.published_at < published_before))
        return done.rowcount

    async def find(self, event_id: UUID) -> OutboxEvent | None:
        """The event as it was or will be published; None: there is none, or it was forgotten."""
        table = tables.outbox
        columns = (table.c.event_id, table.c.topic, table.c.key, table.c.headers, table.c.value)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(*columns).where(table.c.event_id == event_id))).one_or_none()
        return None if row is None else OutboxEvent(*row)
