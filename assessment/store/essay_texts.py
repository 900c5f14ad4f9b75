"""The texts of essays: which are to be fetched, and those that are there."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.statements import claim


@dataclass(frozen=True, slots=True)
class TextToFetch:
    assessment: UUID
    index: int
    text_storage_id: str
    #: Fetches that failed before.
    fetches: int


class EssayTexts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, *, now: float, limit: int, lease_seconds: float) -> list[TextToFetch]:
        """Texts to fetch. One is due again when the lease ends, unless its essay is no longer PENDING by then."""
        table = tables.essays
        async with self._database.transaction() as connection:
            keys = await claim(
                connection,
                table,
                now=now,
                limit=limit,
                lease_seconds=lease_seconds,
                due="fetch_at",
                lease="fetch_at",
            )
            found = []
            for assessment, index in keys:
                where = (table.c.assessment_id == assessment, table.c.index == index)
                columns = (table.c.assessment_id, table.c.index, table.c.text_storage_id, table.c.fetches)
                found.append(TextToFetch(*(await connection.execute(select(*columns).where(*where))).one()))
        return found

    async def postpone(self, text: TextToFetch, *, until: float) -> None:
        """A fetch failed; try again at `until`."""
        table = tables.essays
        where = (table.c.assessment_id == text.assessment, table.c.index == text.index, table.c.fetch_at.is_not(None))
        async with self._database.transaction() as connection:
            await connection.execute(update(table).where(*where).values(fetch_at=until, fetches=text.fetches + 1))

    async def read(self, assessment: UUID, indexes: Collection[int] | None = None) -> dict[int, str]:
        """Texts by the index of their essay: of all essays, or of some."""
        table = tables.essay_texts
        query = select(table.c.index, table.c.text).where(table.c.assessment_id == assessment)
        if indexes is not None:
            query = query.where(table.c.index.in_(list(indexes)))
        async with self._database.reading() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def names(self, assessment: UUID) -> dict[int, str]:
        """Display names by the index of their essay, of those that have one."""
        table = tables.essays
        where = (table.c.assessment_id == assessment, table.c.display_name.is_not(None))
        async with self._database.reading() as connection:
            rows = await connection.execute(select(table.c.index, table.c.display_name).where(*where))
            return {row[0]: row[1] for row in rows}
