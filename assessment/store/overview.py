"""What lists, results and gauges show."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, tuple_

from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.rows import ASSESSMENT
from assessment.workflow.state import AssessmentRow
from contracts.enums import CJBatchStateEnum


class JudgeUse(NamedTuple):
    """A model that gave verdicts, as the provider names it."""

    provider: str | None
    model: str | None
    verdicts: int


class AnswerRow(NamedTuple):
    """A callback as it was stored."""

    correlation_id: UUID
    number: int
    submission: int
    first_won: bool | None
    confidence: float | None
    justification: str | None
    error_code: str | None
    error_reason: str | None
    provider: str | None
    model: str | None
    cost_usd: float
    cost_known: bool
    prompt_tokens: int
    completion_tokens: int
    requested_at: float | None
    completed_at: float | None
    received_at: float


class Overview:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        *,
        owners: Collection[str | None] | None,
        states: Collection[CJBatchStateEnum] = (),
        after: tuple[float, UUID] | None = None,
        limit: int = 50,
    ) -> list[AssessmentRow]:
        """Assessments, the newest first.

        Parameters
        ----------
        owners : collection, optional
            Of these callers, None among them being Kafka; None: of all.
        states : collection
            In these states; empty: in any.
        after : (float, UUID), optional
            `created_at` and id of the last one of the page before.
        limit : int
            Most of them.
        """
        its = tables.assessments
        query = select(*ASSESSMENT.columns)
        if owners is not None:
            named = its.c.owner.in_([one for one in owners if one is not None])
            query = query.where(named | its.c.owner.is_(None) if None in owners else named)
        if states:
            query = query.where(its.c.state.in_([state.value for state in states]))
        if after is not None:
            query = query.where(tuple_(its.c.created_at, its.c.id) < after)
        query = query.order_by(its.c.created_at.desc(), its.c.id.desc()).limit(limit)
        async with self._database.reading() as connection:
            return [ASSESSMENT.read(row) for row in await connection.execute(query)]

    async def states(self) -> dict[CJBatchStateEnum, int]:
        """Number of assessments in each state."""
        its = tables.assessments
        async with self._database.reading() as connection:
            rows = await connection.execute(select(its.c.state, func.count()).group_by(its.c.state))
            counts = {CJBatchStateEnum(row[0]): row[1] for row in rows}
        return {state: counts.get(state, 0) for state in CJBatchStateEnum}

    async def judges(self, assessment: UUID) -> list[JudgeUse]:
        """Models that gave verdicts, the one with most first."""
        table = tables.answers
        models = (table.c.provider, table.c.model)
        count = func.count()
        query = select(*models, count).where(table.c.assessment_id == assessment, table.c.first_won.is_not(None))
        async with self._database.reading() as connection:
            rows = await connection.execute(query.group_by(*models).order_by(count.desc(), *models))
            return [JudgeUse(*row) for row in rows]

    async def answers(self, assessment: UUID) -> list[AnswerRow]:
        """All callbacks, by comparison and submission."""
        table = tables.answers
        columns = [table.c[name] for name in AnswerRow._fields]
        query = select(*columns).where(table.c.assessment_id == assessment)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.order_by(table.c.number, table.c.submission))
            return [AnswerRow(*row) for row in rows]
