"""Rounds and numbers of comparisons of assessments, without reading the comparisons."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from assessment.store.sql import tables
from assessment.store.sql.rows import ROUND
from assessment.workflow.progress import Counts
from assessment.workflow.state import ComparisonStatus, RoundRow


async def count_by_round(connection: AsyncConnection, assessments: Collection[UUID]) -> dict[UUID, Counts]:
    """Numbers of comparisons by round and status."""
    table = tables.comparisons
    group = (table.c.assessment_id, table.c.round, table.c.status)
    counts: dict[UUID, dict[tuple[int, ComparisonStatus], int]] = {assessment: {} for assessment in assessments}
    query = select(*group, func.count()).where(table.c.assessment_id.in_(list(assessments))).group_by(*group)
    for assessment, number, status, count in await connection.execute(query):
        counts[assessment][number, ComparisonStatus(status)] = count
    return dict(counts)


async def rounds_of(connection: AsyncConnection, assessments: Collection[UUID]) -> dict[UUID, list[RoundRow]]:
    table = tables.rounds
    rounds: dict[UUID, list[RoundRow]] = {assessment: [] for assessment in assessments}
    query = select(*ROUND.columns, table.c.assessment_id).where(table.c.assessment_id.in_(list(assessments)))
    for row in await connection.execute(query.order_by(table.c.number)):
        rounds[row.assessment_id].append(ROUND.read(row))
    return rounds
