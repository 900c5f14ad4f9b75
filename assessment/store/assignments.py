"""Assignments: stored instructions, rubric, prompt and grade scale, with their anchors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from assessment.errors import AssignmentInUse, UnknownAssignment
from assessment.store.sql import library_tables
from assessment.store.sql.database import Database
from assessment.store.sql.statements import insert_or_update


@dataclass(frozen=True, slots=True)
class Assignment:
    assignment_id: str
    instructions: str
    #: A name, or grades from low to high.
    grade_scale: str | list[str]
    student_prompt: str | None = None
    rubric: str | None = None
    context_origin: str = "research_experiment"
    title: str | None = None
    #: Settings of its assessments that differ from the environment's.
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Anchor:
    anchor_id: UUID
    assignment_id: str
    label: str | None
    grade: str
    storage_id: str
    text: str = field(repr=False)
    created_at: float


_ASSIGNMENT = tuple(
    library_tables.assignments.c[name]
    for name in (
        "assignment_id", "instructions", "grade_scale", "student_prompt", "rubric", "context_origin", "title",
        "overrides",
    )
)  # fmt: skip
_ANCHOR = tuple(
    library_tables.anchors.c[name]
    for name in ("anchor_id", "assignment_id", "label", "grade", "storage_id", "text", "created_at")
)


class Assignments:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, assignment: Assignment, *, now: float) -> bool:
        """Create or replace. Returns whether it was created.

        Raises
        ------
        AssignmentInUse
            The grade scale or the origin would change, and there are anchors.
        """
        async with self._database.transaction() as connection:
            old = await _assignment(connection, assignment.assignment_id, lock=True)
            fixed = (assignment.grade_scale, assignment.context_origin)
            if old and (old.grade_scale, old.context_origin) != fixed and await _anchors(connection, old.assignment_id):
                raise AssignmentInUse(
                    f"Assignment {old.assignment_id} has anchors: its grade_scale and context_origin cannot change."
                    " Delete its anchors first"
                )
            row = asdict(assignment) | {"updated_at": now}
            if old:
                where = library_tables.assignments.c.assignment_id == assignment.assignment_id
                await connection.execute(update(library_tables.assignments).where(where).values(row))
            else:
                await insert_or_update(connection, library_tables.assignments, [row | {"created_at": now}])
        return old is None

    async def get(self, assignment_id: str) -> Assignment:
        """Raises UnknownAssignment."""
        async with self._database.reading() as connection:
            found = await _assignment(connection, assignment_id)
        return _known(found, assignment_id)

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[Assignment]:
        """In the order of their ids, those behind `after`."""
        order = library_tables.assignments.c.assignment_id
        query = select(*_ASSIGNMENT).where(order > after).order_by(order).limit(limit)
        async with self._database.reading() as connection:
            return [Assignment(*row) for row in await connection.execute(query)]

    async def delete(self, assignment_id: str) -> None:
        """With its anchors. Raises UnknownAssignment."""
        async with self._database.transaction() as connection:
            where = library_tables.assignments.c.assignment_id == assignment_id
            done = await connection.execute(delete(library_tables.assignments).where(where))
        if not done.rowcount:
            _known(None, assignment_id)

    async def register_anchor(
        self, assignment_id: str, *, label: str | None, grade: str, storage_id: str, text: str, now: float
    ) -> Anchor:
        """An anchor with the same label is replaced, and keeps its id. Raises UnknownAssignment."""
        table = library_tables.anchors
        async with self._database.transaction() as connection:
            # Locked: two anchors with one label come one after the other, and the grade scale stays.
            _known(await _assignment(connection, assignment_id, lock=True), assignment_id)
            old = None
            if label is not None:
                where = (table.c.assignment_id == assignment_id, table.c.label == label)
                old = await connection.scalar(select(table.c.anchor_id).where(*where))
            anchor = Anchor(old or uuid4(), assignment_id, label, grade, storage_id, text, now)
            await insert_or_update(connection, table, [asdict(anchor)])
        return anchor

    async def anchors(self, assignment_id: str) -> Sequence[Anchor]:
        """In the order in which they were registered. Raises UnknownAssignment."""
        table = library_tables.anchors
        query = select(*_ANCHOR).where(table.c.assignment_id == assignment_id)
        async with self._database.reading() as connection:
            _known(await _assignment(connection, assignment_id), assignment_id)
            rows = await connection.execute(query.order_by(table.c.created_at, table.c.anchor_id))
            return [Anchor(*row) for row in rows]

    async def delete_anchor(self, assignment_id: str, anchor_id: UUID) -> bool:
        """Returns whether there was one."""
        table = library_tables.anchors
        where = (table.c.assignment_id == assignment_id, table.c.anchor_id == anchor_id)
        async with self._database.transaction() as connection:
            return bool((await connection.execute(delete(table).where(*where))).rowcount)


def _known(assignment: Assignment | None, assignment_id: str) -> Assignment:
    if assignment is None:
        raise UnknownAssignment(f"There is no assignment {assignment_id}")
    return assignment


async def _assignment(connection: AsyncConnection, assignment_id: str, *, lock: bool = False) -> Assignment | None:
    query = select(*_ASSIGNMENT).where(library_tables.assignments.c.assignment_id == assignment_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else Assignment(*row)


async def _anchors(connection: AsyncConnection, assignment_id: str) -> int:
    query = select(func.count()).where(library_tables.anchors.c.assignment_id == assignment_id)
    return await connection.scalar(query) or 0
