"""Chunks: submissions to the comparison service that were stored before they are sent."""

from uuid import UUID

from sqlalchemy import select, update

from assessment.errors import AssessmentNotFound
from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.rows import COMPARISON
from assessment.store.sql.statements import claim
from assessment.store.stored import ChunkItem, StoredChunk


class SubmissionChunks:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, *, now: float, limit: int, lease_seconds: float) -> list[tuple[UUID, int]]:
        """Chunks to send: assessment and number. `LockedAssessment.save(answered=…)` ends the sending of one; otherwise
        it is due again when the lease ends.
        """
        async with self._database.transaction() as connection:
            rows = await claim(connection, tables.chunks, now=now, limit=limit, lease_seconds=lease_seconds)
        return [(row[0], row[1]) for row in rows]

    async def read(self, assessment: UUID, chunk: int) -> StoredChunk:
        """Raises AssessmentNotFound."""
        its, submitted, compared = tables.chunks, tables.submissions, tables.comparisons
        items = (
            select(submitted.c.submission, submitted.c.correlation_id, *COMPARISON.columns)
            .join_from(
                submitted,
                compared,
                (compared.c.assessment_id == submitted.c.assessment_id) & (compared.c.number == submitted.c.number),
            )
            .where(submitted.c.assessment_id == assessment, submitted.c.chunk == chunk)
            .order_by(submitted.c.number)
        )
        where = (its.c.assessment_id == assessment, its.c.chunk == chunk)
        async with self._database.reading() as connection:
            row = (
                await connection.execute(select(its.c.retry, its.c.created_at, its.c.sent_at).where(*where))
            ).one_or_none()
            if row is None:
                raise AssessmentNotFound(f"{assessment}, chunk {chunk}")
            found = await connection.execute(items)
        return StoredChunk(
            assessment,
            chunk,
            *row,
            items=tuple(ChunkItem(COMPARISON.read(one[2:]), one.submission, one.correlation_id) for one in found),
        )

    async def sending(self, assessment: UUID, chunk: int, *, now: float) -> float:
        """Note that the chunk is about to be sent. Returns when it was first sent, which may be now."""
        its = tables.chunks
        where = (its.c.assessment_id == assessment, its.c.chunk == chunk)
        async with self._database.transaction() as connection:
            await connection.execute(update(its).where(*where, its.c.sent_at.is_(None)).values(sent_at=now))
            first = await connection.scalar(select(its.c.sent_at).where(*where))
        if first is None:
            raise AssessmentNotFound(f"{assessment}, chunk {chunk}")
        return float(first)

    async def postpone(self, assessment: UUID, chunk: int, *, until: float) -> None:
        """Send the chunk again at `until`: the comparison service could not take it now."""
        its = tables.chunks
        where = (its.c.assessment_id == assessment, its.c.chunk == chunk, its.c.due_at.is_not(None))
        async with self._database.transaction() as connection:
            await connection.execute(update(its).where(*where).values(due_at=until))
