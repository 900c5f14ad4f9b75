"""A step of one assessment: its rows under the row lock, and what the step changes, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from assessment.store.outbox import outbox_rows
from assessment.store.sql import tables
from assessment.store.sql.rows import ASSESSMENT, COMPARISON, ESSAY, ROUND, RowMapping
from assessment.store.sql.statements import insert, insert_new, insert_or_update, update_rows
from assessment.store.stored import NewChunk, OutboxEvent
from assessment.workflow.progress import count_comparisons, decision_is_due
from assessment.workflow.state import ENDED, AssessmentRow, ComparisonRow, TextStatus, WorkflowState, correlation_id


class LockedAssessment:
    """`state`: as it is stored; after `save`, as it was saved. `erased`: texts and names are gone."""

    def __init__(self, connection: AsyncConnection, state: WorkflowState, *, erased: bool) -> None:
        self._connection = connection
        self.state = state
        self.erased = erased

    async def save(
        self,
        after: WorkflowState,
        *,
        now: float,
        decided: bool,
        events: Sequence[OutboxEvent] = (),
        chunks: Sequence[NewChunk] = (),
        answered: Sequence[int] = (),
        texts: Mapping[int, str] = {},
    ) -> None:
        """Write what differs from `state`, and add 1 to the revision if anything does.

        Parameters
        ----------
        now : float
            Wall time.
        after : WorkflowState
            Rounds and comparisons may be new or changed, essays changed. Judges never change.
        decided : bool
            It is what `decide` made of `state`: the next step is due at its `wake_at`, and the lease of this one ends.
            Otherwise the next step is due now if a decision may have commands, and nothing else changes about it.
        events : sequence of OutboxEvent
            To be published. One whose event_id is there already is not stored again.
        chunks : sequence of NewChunk
            Submissions that begin, and are to be sent at once. Their comparisons are those of `after` that have one
            submission more.
        answered : sequence of int
            Chunks that the comparison service has answered: they are not sent again.
        texts : mapping of int to str
            Texts that were fetched, by the index of their essay.
        """
        before, connection = self.state, self._connection
        its_id = {"assessment_id": before.assessment.id}
        submitted = list(_newly_submitted(before.comparisons, after.comparisons))
        if not {row.chunk for row in submitted} <= {one.chunk for one in chunks}:
            raise ValueError("a comparison was submitted, and its chunk is not new")
        row = _with_revision(before, after)
        await self._write_assessment(row, self._due(after, now, decided=decided))
        await self._write_essays(after)
        await self._write(ROUND, before.rounds, after.rounds)
        await self._write(COMPARISON, before.comparisons, after.comparisons)
        new = [its_id | {"chunk": c.chunk, "retry": c.retry, "created_at": now, "due_at": now} for c in chunks]
        await insert(connection, tables.chunks, new)
        await insert(connection, tables.submissions, [its_id | _submission(row.id, one) for one in submitted])
        if answered:
            table = tables.chunks
            mine = (table.c.assessment_id == row.id, table.c.chunk.in_(answered))
            await connection.execute(update(table).where(*mine).values(due_at=None))
        stored = [its_id | {"index": index, "text": text} for index, text in texts.items()]
        await insert_or_update(connection, tables.essay_texts, stored)
        await insert_new(connection, tables.outbox, outbox_rows(events, now, row.id))
        self.state = replace(after, assessment=row)

    @staticmethod
    def _due(after: WorkflowState, now: float, *, decided: bool) -> dict[str, Any]:
        if decided:
            return {"due_at": after.assessment.wake_at, "leased_until": 0.0}
        counts = count_comparisons(after.comparisons)
        return {"due_at": now} if decision_is_due(after.assessment, after.rounds, counts, now) else {}

    async def _write_assessment(self, row: AssessmentRow, due: dict[str, Any]) -> None:
        values: dict[str, Any] = {"id": row.id} | due
        if row != self.state.assessment:
            values |= ASSESSMENT.values(row)
        if row.state in ENDED:
            values["open_key"] = None
        if len(values) > 1:
            await update_rows(self._connection, tables.assessments, [values])

    async def _write_essays(self, after: WorkflowState) -> None:
        its_id = {"assessment_id": after.assessment.id}
        changed = [
            its_id | ESSAY.values(new) | ({} if new.text_status is TextStatus.PENDING else {"fetch_at": None})
            for old, new in zip(self.state.essays, after.essays, strict=True)
            if new != old
        ]
        for row in changed:  # a few at a time; some without the last column
            await update_rows(self._connection, tables.essays, [row])

    async def _write(self, mapping: RowMapping[Any], before: Sequence[Any], after: Sequence[Any]) -> None:
        its_id = {"assessment_id": self.state.assessment.id}
        changed = [new for old, new in zip(before, after[: len(before)], strict=True) if new != old]
        await update_rows(self._connection, mapping.table, [its_id | mapping.values(row) for row in changed])
        await insert(self._connection, mapping.table, [its_id | mapping.values(r) for r in after[len(before) :]])


def _with_revision(before: WorkflowState, after: WorkflowState) -> AssessmentRow:
    old, new = before.assessment, after.assessment
    same = replace(new, revision=old.revision) == old and (before.essays, before.rounds, before.comparisons) == (
        after.essays,
        after.rounds,
        after.comparisons,
    )
    return replace(new, revision=old.revision + (not same))


def _newly_submitted(before: Sequence[ComparisonRow], after: Sequence[ComparisonRow]) -> Iterator[ComparisonRow]:
    for number, row in enumerate(after):
        submissions = before[number].submissions if number < len(before) else 0
        if row.submissions > submissions:
            yield row


def _submission(assessment: Any, row: ComparisonRow) -> dict[str, Any]:
    return {
        "correlation_id": correlation_id(assessment, row.number, row.submissions),
        "number": row.number,
        "submission": row.submissions,
        "chunk": row.chunk,
    }
