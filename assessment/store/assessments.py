"""Assessments: created once for a request, read, locked for a step, and saved."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from assessment.errors import AssessmentNotFound, IdempotencyMismatch, StoreUnavailable
from assessment.store.counts import count_by_round, rounds_of
from assessment.store.outbox import outbox_rows
from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.rows import ASSESSMENT, COMPARISON, ESSAY, JUDGE, ROUND, RowMapping
from assessment.store.sql.statements import claim, insert, insert_new
from assessment.store.stored import Creation, NewAssessment, OutboxEvent, RequestKey, StoredAssessmentRequest
from assessment.store.unit import LockedAssessment
from assessment.workflow.progress import WorkflowProgress, progress_of
from assessment.workflow.state import AssessmentRow, TextStatus, WorkflowState

#: A request that loses the race against the same one finds the other's assessment when it looks again.
_TRIES = 5


class Assessments:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewAssessment, *, now: float, events: Sequence[OutboxEvent] = ()) -> Creation:
        """Store an assessment and its first events, unless the request came before.

        Raises
        ------
        IdempotencyMismatch
            A key of the request came before with another digest.
        """
        for _ in range(_TRIES):
            try:
                async with self._database.transaction() as connection:
                    if found := await self._find(connection, new):
                        await self._remember(connection, found, new.keys)
                        return Creation(found, created=False)
                    await self._insert(connection, new, now, events)
                    return Creation(new.state.assessment.id, created=True)
            except IntegrityError:
                continue
        raise StoreUnavailable("The same request is stored and removed again and again")

    async def _find(self, connection: AsyncConnection, new: NewAssessment) -> UUID | None:
        keys = tables.request_keys
        for key in new.keys:
            found = (
                await connection.execute(
                    select(keys.c.assessment_id, keys.c.digest).where(keys.c.kind == key.kind, keys.c.key == key.key)
                )
            ).one_or_none()
            if found:
                if found.digest != key.digest:
                    raise IdempotencyMismatch("This Idempotency-Key was used before, with another body")
                assessment: UUID = found.assessment_id
                return assessment
        if new.open_key is None:
            return None
        table = tables.assessments
        return await connection.scalar(select(table.c.id).where(table.c.open_key == new.open_key))

    @staticmethod
    async def _remember(connection: AsyncConnection, assessment: UUID, keys: Sequence[RequestKey]) -> None:
        rows = [{"kind": key.kind, "key": key.key, "digest": key.digest, "assessment_id": assessment} for key in keys]
        await insert_new(connection, tables.request_keys, rows)

    async def _insert(
        self, connection: AsyncConnection, new: NewAssessment, now: float, events: Sequence[OutboxEvent]
    ) -> None:
        state, request = new.state, new.request
        its_id = {"assessment_id": state.assessment.id}
        own = {"owner": new.owner, "open_key": new.open_key, "due_at": now, "leased_until": 0.0}
        await connection.execute(tables.assessments.insert(), ASSESSMENT.values(state.assessment) | own)
        rows: list[tuple[Any, list[dict[str, Any]]]] = [
            (tables.requests, [its_id | {
                "original": request.original, "source": request.source,
                "correlation_id": request.correlation_id, "traceparent": request.traceparent,
            }]),
            (tables.request_keys, [its_id | {"kind": k.kind, "key": k.key, "digest": k.digest} for k in new.keys]),
            (tables.judges, [its_id | JUDGE.values(judge) for judge in state.judges]),
            (tables.essays, [
                its_id | ESSAY.values(essay) | {
                    "text_storage_id": source.text_storage_id, "display_name": source.display_name, "fetches": 0,
                    "fetch_at": now if essay.text_status is TextStatus.PENDING else None,
                }
                for essay, source in zip(state.essays, new.sources, strict=True)
            ]),
            (tables.essay_texts, [
                its_id | {"index": essay.index, "text": source.text}
                for essay, source in zip(state.essays, new.sources, strict=True)
                if source.text is not None
            ]),
            (tables.outbox, outbox_rows(events, now, state.assessment.id)),
        ]  # fmt: skip
        for table, values in rows:
            await insert(connection, table, values)

    @asynccontextmanager
    async def locked(self, assessment: UUID) -> AsyncIterator[LockedAssessment]:
        """The assessment under its row lock, in one transaction, which ends with the block.

        Raises
        ------
        AssessmentNotFound
        """
        async with self._database.transaction() as connection:
            state, erased = await _load(connection, assessment, lock=True)
            yield LockedAssessment(connection, state, erased=erased)

    async def read(self, assessment: UUID) -> WorkflowState:
        """All of it, without a lock. Raises AssessmentNotFound."""
        async with self._database.reading() as connection:
            return (await _load(connection, assessment, lock=False))[0]

    async def progress(self, assessment: UUID) -> tuple[AssessmentRow, WorkflowProgress]:
        """The assessment, and how far it is, without reading its comparisons. Raises AssessmentNotFound."""
        table = tables.assessments
        async with self._database.reading() as connection:
            row = (await connection.execute(select(*ASSESSMENT.columns).where(table.c.id == assessment))).one_or_none()
            if row is None:
                raise AssessmentNotFound(str(assessment))
            rounds = (await rounds_of(connection, [assessment]))[assessment]
            counts = (await count_by_round(connection, [assessment]))[assessment]
        return ASSESSMENT.read(row), progress_of(rounds, counts)

    async def request(self, assessment: UUID) -> StoredAssessmentRequest:
        """Raises AssessmentNotFound."""
        table = tables.requests
        async with self._database.reading() as connection:
            row = (
                await connection.execute(
                    select(table.c.original, table.c.source, table.c.correlation_id, table.c.traceparent).where(
                        table.c.assessment_id == assessment
                    )
                )
            ).one_or_none()
        if row is None:
            raise AssessmentNotFound(str(assessment))
        return StoredAssessmentRequest(*row)

    async def owner(self, assessment: UUID) -> str | None:
        """Id of the API key that asked for it; None: it came by Kafka. Raises AssessmentNotFound."""
        table = tables.assessments
        async with self._database.reading() as connection:
            row = (await connection.execute(select(table.c.owner).where(table.c.id == assessment))).one_or_none()
        if row is None:
            raise AssessmentNotFound(str(assessment))
        owner: str | None = row.owner
        return owner

    async def claim_due(self, *, now: float, limit: int, lease_seconds: float) -> list[UUID]:
        """Assessments whose next step is due. No other process gets them until the lease ends; saving ends it."""
        async with self._database.transaction() as connection:
            rows = await claim(
                connection,
                tables.assessments,
                now=now,
                limit=limit,
                lease_seconds=lease_seconds,
                lease="leased_until",
            )
        return [row[0] for row in rows]


async def _load(connection: AsyncConnection, assessment: UUID, *, lock: bool) -> tuple[WorkflowState, bool]:
    """The state, and whether it was erased."""
    table = tables.assessments
    query = select(*ASSESSMENT.columns, table.c.erased_at).where(table.c.id == assessment)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise AssessmentNotFound(str(assessment))
    state = WorkflowState(
        assessment=ASSESSMENT.read(row),
        judges=await _rows(connection, JUDGE, assessment, "index"),
        essays=await _rows(connection, ESSAY, assessment, "index"),
        rounds=await _rows(connection, ROUND, assessment, "number"),
        comparisons=await _rows(connection, COMPARISON, assessment, "number"),
    )
    return state, row.erased_at is not None


async def _rows(connection: AsyncConnection, mapping: RowMapping[Any], assessment: UUID, order: str) -> Any:
    table = mapping.table
    found = await connection.execute(
        select(*mapping.columns).where(table.c.assessment_id == assessment).order_by(table.c[order])
    )
    return tuple(map(mapping.read, found))
