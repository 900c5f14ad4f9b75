"""Callbacks, in groups: one transaction for many callbacks of several assessments."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from assessment.store.counts import count_by_round, rounds_of
from assessment.store.sql import tables
from assessment.store.sql.database import Database
from assessment.store.sql.rows import ASSESSMENT, COMPARISON
from assessment.store.sql.statements import insert, select_in, update_rows
from assessment.store.stored import CallbackAnswer
from assessment.workflow.progress import decision_is_due
from assessment.workflow.record import FailedAnswer, JudgedAnswer, arrived, failed, failure_kind, judged
from assessment.workflow.state import AssessmentRow, ComparisonRow
from contracts.enums import LLMErrorCode


class _Place(NamedTuple):
    """A comparison, and which of its submissions."""

    assessment: UUID
    number: int
    submission: int


class _Locked(NamedTuple):
    row: AssessmentRow
    erased: bool
    due_at: float | None


@dataclass(slots=True)
class RecordedCallbacks:
    """Which answers were new, which came before, and which belong to no submission. Each in the order given."""

    new: list[CallbackAnswer] = field(default_factory=list)
    repeated: list[CallbackAnswer] = field(default_factory=list)
    unknown: list[CallbackAnswer] = field(default_factory=list)
    #: Assessments with a new answer.
    assessments: set[UUID] = field(default_factory=set)


class Callbacks:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, answers: Sequence[CallbackAnswer], *, now: float) -> RecordedCallbacks:
        """Store the answers, and apply each that is new to its comparison. The next step of an assessment becomes due
        if a decision may have commands now. Recording the same answers again changes nothing.
        """
        recorded = RecordedCallbacks()
        async with self._database.transaction() as connection:
            places = await _places(connection, [answer.correlation_id for answer in answers])
            locked = await _lock(connection, {place.assessment for place in places.values()})
            known = await _answered(connection, places)
            by_place: dict[UUID, list[tuple[_Place, CallbackAnswer]]] = defaultdict(list)
            for answer in answers:
                place = places.get(answer.correlation_id)
                if place is None:
                    recorded.unknown.append(answer)
                elif answer.correlation_id in known:
                    recorded.repeated.append(answer)
                else:
                    known.add(answer.correlation_id)
                    recorded.new.append(answer)
                    by_place[place.assessment].append((place, answer))
            recorded.assessments = set(by_place)
            await self._write(connection, by_place, locked, now)
        return recorded

    async def _write(
        self,
        connection: AsyncConnection,
        new: dict[UUID, list[tuple[_Place, CallbackAnswer]]],
        locked: dict[UUID, _Locked],
        now: float,
    ) -> None:
        stored = await _comparisons(connection, new)
        changed: dict[tuple[UUID, int], ComparisonRow] = {}
        rows: list[dict[str, Any]] = []
        for assessment, pairs in new.items():
            own = locked[assessment]
            for place, answer in pairs:
                key = place[:2]
                before = changed.get(key) or stored[key]
                changed[key] = _after_answer(own.row, before, place.submission, answer)
                rows.append(_answer_row(place, answer, now, erased=own.erased))
        await insert(connection, tables.answers, rows)
        updates = [{"assessment_id": k[0]} | COMPARISON.values(row) for k, row in changed.items() if row != stored[k]]
        await update_rows(connection, tables.comparisons, updates)
        counts = await count_by_round(connection, new)
        rounds = await rounds_of(connection, new)
        touched = []
        for assessment in new:
            own = locked[assessment]
            row = arrived(own.row, now)
            due = decision_is_due(row, rounds[assessment], counts[assessment], now)
            touched.append(ASSESSMENT.values(row) | {"due_at": now if due else own.due_at})
        await update_rows(connection, tables.assessments, touched)


def _after_answer(
    assessment: AssessmentRow, comparison: ComparisonRow, submission: int, answer: CallbackAnswer
) -> ComparisonRow:
    cost = (answer.cost_usd, answer.prompt_tokens, answer.completion_tokens)
    if answer.first_won is not None:
        return judged(comparison, JudgedAnswer(answer.first_won, answer.confidence, *cost))
    code = answer.error_code or LLMErrorCode.INTERNAL_ERROR
    error = FailedAnswer(failure_kind(code, answer.error_reason), answer.error_reason or code, *cost)
    return failed(comparison, submission, error, assessment.options)


def _answer_row(place: _Place, answer: CallbackAnswer, now: float, *, erased: bool) -> dict[str, Any]:
    row = asdict(answer) | place._asdict() | {"received_at": now}
    row["assessment_id"] = row.pop("assessment")
    return row | {"justification": None} if erased else row


async def _places(connection: AsyncConnection, correlation_ids: Sequence[UUID]) -> dict[UUID, _Place]:
    table = tables.submissions
    columns = (table.c.correlation_id, table.c.assessment_id, table.c.number, table.c.submission)
    rows = await select_in(connection, columns, table.c.correlation_id, set(correlation_ids))
    return {row[0]: _Place(row[1], row[2], row[3]) for row in rows}


async def _lock(connection: AsyncConnection, assessments: set[UUID]) -> dict[UUID, _Locked]:
    """Lock in the order of ids, so that two groups never wait for each other."""
    table = tables.assessments
    columns: tuple[ColumnElement[Any], ...] = (*ASSESSMENT.columns, table.c.erased_at, table.c.due_at)
    query = select(*columns).where(table.c.id.in_(sorted(assessments))).order_by(table.c.id).with_for_update()
    rows = await connection.execute(query)
    return {row[0]: _Locked(ASSESSMENT.read(row), row.erased_at is not None, row.due_at) for row in rows}


async def _answered(connection: AsyncConnection, places: dict[UUID, _Place]) -> set[UUID]:
    """Correlation ids that have an answer. Under the locks, so that no other group can add one."""
    column = tables.answers.c.correlation_id
    return {row[0] for row in await select_in(connection, [column], column, list(places))}


async def _comparisons(
    connection: AsyncConnection, new: dict[UUID, list[tuple[_Place, CallbackAnswer]]]
) -> dict[tuple[UUID, int], ComparisonRow]:
    table = tables.comparisons
    keys = list({place[:2]: None for pairs in new.values() for place, _ in pairs})
    rows = await select_in(
        connection, (table.c.assessment_id, *COMPARISON.columns), tuple_(table.c.assessment_id, table.c.number), keys
    )
    return {(row[0], row[1]): COMPARISON.read(tuple(row)[1:]) for row in rows}
