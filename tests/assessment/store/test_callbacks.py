"""Callbacks in groups: the first verdict counts, each is stored and costed once, in any order and however often."""

import asyncio
import random
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from umpire_store import NOW, accept_all, failure, running, submitted, verdict

from assessment.store.sql import tables
from assessment.store.stored import CallbackAnswer, NewChunk
from assessment.workflow.state import ComparisonStatus
from contracts.enums import CJBatchStateEnum


async def due(store, now=NOW + 10):
    return await store.assessments.claim_due(now=now, limit=99, lease_seconds=0)


async def test_a_verdict_is_counted_and_its_assessment_is_due_when_its_round_is_complete(store):
    its_id = await running(store, iterative=False)  # else a second round could be planned ahead
    first = await store.callbacks.record([verdict(its_id, 0, first_won=False)], now=NOW + 1)
    assert (len(first.new), first.assessments) == (1, {its_id})
    assert await due(store) == []
    await store.callbacks.record([verdict(its_id, 1)], now=NOW + 2)
    assert await due(store) == [its_id]
    state = await store.assessments.read(its_id)
    one, other = state.comparisons
    assert (one.status, one.first_won, one.confidence) == (ComparisonStatus.SUCCEEDED, False, 4.0)
    assert (one.cost_usd, one.prompt_tokens, one.completion_tokens, one.verdicts) == (0.25, 100, 10, 1)
    assert other.first_won is True
    assert state.assessment.arrival_clock == NOW + 2
    assert state.assessment.revision == 4


async def test_a_group_may_hold_many_of_several_assessments_and_the_same_twice(store):
    ids = [await running(store, batch=str(n)) for n in range(3)]
    group = [verdict(its_id, number) for its_id in ids for number in (1, 0)] * 2
    recorded = await store.callbacks.record(group, now=NOW + 1)
    assert (len(recorded.new), len(recorded.repeated), recorded.unknown) == (6, 6, [])
    assert sorted(await due(store)) == sorted(ids)
    again = await store.callbacks.record(group, now=NOW + 2)
    assert (again.new, len(again.repeated), again.assessments) == ([], 12, set())
    for its_id in ids:
        state = await store.assessments.read(its_id)
        assert [row.verdicts for row in state.comparisons] == [1, 1]
        assert state.assessment.arrival_clock == NOW + 1


async def test_an_unknown_correlation_id_is_reported_and_stops_nothing(store):
    its_id = await running(store)
    stranger = CallbackAnswer(uuid4(), first_won=True)
    recorded = await store.callbacks.record([stranger, verdict(its_id, 0)], now=NOW)
    assert (recorded.unknown, len(recorded.new)) == ([stranger], 1)
    assert (await store.callbacks.record([stranger], now=NOW)).unknown == [stranger]


@pytest.mark.parametrize(
    ("code", "reason", "attempts"),
    [("LLM_PROVIDER_API_ERROR", None, 1), ("LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED", 0)],
)
async def test_an_error_goes_to_the_pool(store, code, reason, attempts):
    its_id = await running(store)
    await store.callbacks.record([failure(its_id, 0, code, reason=reason)], now=NOW)
    row = (await store.assessments.read(its_id)).comparisons[0]
    assert (row.status, row.attempts, row.error_code) == (ComparisonStatus.POOLED, attempts, reason or code)


async def test_a_verdict_of_an_earlier_submission_counts_and_the_later_one_is_costed(store):
    its_id = await running(store)
    await store.callbacks.record([failure(its_id, 0)], now=NOW)
    async with store.assessments.locked(its_id) as unit:
        await unit.save(submitted(unit.state, [0], chunk=1), now=NOW, decided=True, chunks=[NewChunk(1, retry=True)])
    assert (await store.chunks.read(its_id, 1)).retry
    second = verdict(its_id, 0, first_won=False, submission=2)
    await store.callbacks.record([second], now=NOW)
    (repeated,) = (await store.callbacks.record([verdict(its_id, 0)], now=NOW)).repeated  # its error came before
    assert repeated.first_won
    row = (await store.assessments.read(its_id)).comparisons[0]
    assert (row.first_won, row.verdicts, row.cost_usd) == (False, 1, 0.25)


async def test_two_verdicts_of_two_submissions_in_one_group(store):
    its_id = await running(store, accept=False)
    async with store.assessments.locked(its_id) as unit:
        rows = tuple(replace(row, status=ComparisonStatus.POOLED) for row in unit.state.comparisons)
        state = submitted(replace(unit.state, comparisons=rows), [0], chunk=1)
        await unit.save(accept_all(state), now=NOW, decided=False, chunks=[NewChunk(1)])
    group = [verdict(its_id, 0, first_won=False, submission=2), verdict(its_id, 0, submission=1)]
    assert len((await store.callbacks.record(group, now=NOW)).new) == 2
    row = (await store.assessments.read(its_id)).comparisons[0]
    assert (row.first_won, row.verdicts, row.cost_usd) == (False, 2, 0.5)


async def test_groups_at_once_in_any_order_neither_lose_nor_repeat(store):
    """Each answer twice, dealt to ten groups of several assessments."""
    ids = [await running(store, [(n % 4, (n + 1) % 4) for n in range(20)], batch=str(n)) for n in range(4)]
    answers = [verdict(its_id, number) for its_id in ids for number in range(20)] * 2
    random.Random(7).shuffle(answers)
    groups = await asyncio.gather(*(store.callbacks.record(answers[n::10], now=NOW + n) for n in range(10)))
    assert sum(len(group.new) for group in groups) == 80
    assert sum(len(group.repeated) for group in groups) == 80
    for its_id in ids:
        rows = (await store.assessments.read(its_id)).comparisons
        assert {(row.status, row.verdicts, row.cost_usd) for row in rows} == {(ComparisonStatus.SUCCEEDED, 1, 0.25)}


async def test_a_callback_and_a_step_at_once_both_count(store):
    its_id = await running(store)

    async def step():
        async with store.assessments.locked(its_id) as unit:
            row = replace(unit.state.assessment, billed=unit.state.assessment.billed + 1)
            await unit.save(replace(unit.state, assessment=row), now=NOW, decided=True)

    await asyncio.gather(*(step() for _ in range(5)), *(store.callbacks.record([verdict(its_id, n)], now=NOW + 1)
                                                        for n in (0, 1)))  # fmt: skip
    state = await store.assessments.read(its_id)
    assert state.assessment.billed == 5
    assert all(row.first_won for row in state.comparisons)


async def test_an_ended_assessment_stores_late_verdicts_and_is_not_due(store):
    its_id = await running(store)
    async with store.assessments.locked(its_id) as unit:
        row = replace(unit.state.assessment, state=CJBatchStateEnum.CANCELLED)
        await unit.save(replace(unit.state, assessment=row), now=NOW, decided=True)
    assert len((await store.callbacks.record([verdict(its_id, 0)], now=NOW)).new) == 1
    assert await due(store) == []


async def test_a_late_verdict_of_an_erased_assessment_has_no_justification(store):
    kept, erased = [await running(store, batch=str(n)) for n in range(2)]
    table, answers = tables.assessments, tables.answers
    async with store.database.transaction() as connection:
        await connection.execute(update(table).where(table.c.id == erased).values(erased_at=NOW))
    await store.callbacks.record([verdict(kept, 0), verdict(erased, 0)], now=NOW)
    async with store.database.reading() as connection:
        rows = await connection.execute(select(answers.c.assessment_id, answers.c.justification))
        assert dict(rows.all()) == {kept: "Clearer.", erased: None}
        assert await connection.scalar(select(func.count()).select_from(answers)) == 2


async def test_a_large_group(store):
    pairs = [(n % 4, (n + 1) % 4) for n in range(700)]
    its_id = await running(store, pairs)
    recorded = await store.callbacks.record([verdict(its_id, number) for number in range(700)], now=NOW)
    assert len(recorded.new) == 700
    assert len((await store.chunks.read(its_id, 0)).items) == 700


async def test_a_text_that_postgresql_could_not_hold_stops_no_group(store):
    its_id = await running(store)
    odd = verdict(its_id, 0, justification="a\0b", model="m\0", provider="\0")
    recorded = await store.callbacks.record([odd, verdict(its_id, 1)], now=NOW)
    assert len(recorded.new) == 2
    async with store.database.reading() as connection:
        rows = await connection.execute(select(tables.answers.c.justification).order_by(tables.answers.c.number))
        assert rows.scalars().all() == ["a\ufffdb", "Clearer."]
