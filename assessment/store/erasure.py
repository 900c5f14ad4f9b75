"""Erasure: texts, justifications and names go, numbers stay."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from assessment.errors import AssessmentNotFound
from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.statements import update_rows
from assessment.workflow.state import ENDED


class Erasure:
    """`without_names`: the bytes of an event that is still to be published → those to publish instead."""

    def __init__(self, database: Database, without_names: Callable[[bytes], bytes]) -> None:
        self._database = database
        self._without_names = without_names

    async def erase(self, assessment: UUID, *, now: float) -> None:
        """Erase it, whatever its state; a second time changes nothing. Late callbacks keep no justification.

        Raises
        ------
        AssessmentNotFound
        """
        its, essays, answers = tables.assessments, tables.essays, tables.answers
        async with self._database.transaction() as connection:
            # Under the row lock, so that no callback and no step adds to it meanwhile.
            locked = select(its.c.erased_at).where(its.c.id == assessment).with_for_update()
            row = (await connection.execute(locked)).one_or_none()
            if row is None:
                raise AssessmentNotFound(str(assessment))
            texts, requests = tables.essay_texts, tables.requests
            await connection.execute(delete(texts).where(texts.c.assessment_id == assessment))
            mine = essays.c.assessment_id == assessment
            await connection.execute(update(essays).where(mine).values(display_name=None, fetch_at=None))
            mine = answers.c.assessment_id == assessment
            await connection.execute(update(answers).where(mine).values(justification=None))
            mine = requests.c.assessment_id == assessment
            await connection.execute(update(requests).where(mine).values(original={}))
            await self._events(connection, assessment)
            if row.erased_at is None:
                await connection.execute(update(its).where(its.c.id == assessment).values(erased_at=now))

    async def _events(self, connection: AsyncConnection, assessment: UUID) -> None:
        table = tables.outbox
        mine = table.c.assessment_id == assessment
        await connection.execute(delete(table).where(mine, table.c.due_at.is_(None)))
        owed = await connection.execute(select(table.c.id, table.c.value).where(mine))
        rewritten = [{"id": row.id, "value": self._without_names(row.value)} for row in owed]
        await update_rows(connection, table, rewritten)

    async def due(self, *, ended_before: float, limit: int) -> list[UUID]:
        """Assessments that ended before and were not erased, the oldest first."""
        its = tables.assessments
        query = select(its.c.id).where(
            its.c.erased_at.is_(None), its.c.completed_at < ended_before, its.c.state.in_([one.value for one in ENDED])
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query.order_by(its.c.completed_at).limit(limit))).scalars())
