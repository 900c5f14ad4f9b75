"""Assessments in the store: created once for a request, and what is saved is what is read."""

import asyncio
from dataclasses import MISSING, replace
from dataclasses import fields as dataclass_fields
from uuid import uuid4

import pytest
from umpire_store import NOW, accept_all, asleep, event, event_key, new_assessment, planned, running, submitted, verdict

from assessment.errors import AssessmentNotFound, IdempotencyMismatch
from assessment.store.sql.rows import ASSESSMENT, COMPARISON, ESSAY, JUDGE, ROUND
from assessment.store.stored import NewChunk, RequestKey
from assessment.workflow.state import (
    AssessmentRow,
    ComparisonRow,
    ComparisonStatus,
    EssayRow,
    RoundRow,
    TextStatus,
    WorkflowOptions,
    WorkflowStopReason,
    correlation_id,
)
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum, LLMBatchingMode


async def test_what_was_created_is_read(store):
    new = new_assessment(keys=[event_key()], batch_size=10, grade_scale=("F", "A"), max_cost_usd=0.1)
    made = await store.assessments.create(new, now=NOW, events=[event()])
    assert (made.created, made.assessment) == (True, new.state.assessment.id)
    assert await store.assessments.read(made.assessment) == new.state
    assert await store.assessments.request(made.assessment) == new.request
    assert await store.assessments.owner(made.assessment) is None
    assert await store.texts.read(made.assessment) == {n: f"text {n}" for n in range(4)}
    assert await store.texts.names(made.assessment) == {n: f"Name {n}" for n in range(4)}
    assert len(await store.outbox.claim(now=NOW, limit=9, lease_seconds=1)) == 1


def no_default(cls, *given, **fields):
    """An instance in which no field has its default, so that no column can hide that it is not written."""
    one = cls(*given, **fields)
    for field in dataclass_fields(cls):
        assert field.default is MISSING or getattr(one, field.name) != field.default, field.name
    return one


async def test_every_field_of_every_row_survives(store):
    new = new_assessment(grade_distribution=(0.1, 0.9), batching_mode=LLMBatchingMode.PROVIDER_BATCH_API)
    its_id = (await store.assessments.create(new, now=NOW)).assessment
    options = no_default(
        WorkflowOptions,
        batch_size=10, max_concurrent_batches=1, partial_completion_threshold=0.5, max_comparisons_per_essay=7.5,
        max_comparisons=100, target_reliability=0.8, min_comparisons_per_essay=3, max_cost_usd=2.5, allow_repeats=True,
        failed_pool_threshold=5, max_attempts=2, straggler_seconds=1.5, provider_batch_seconds=2.5, stuck_seconds=3.5,
        iterative=False, batching_mode=LLMBatchingMode.SERIAL_BUNDLE, seed=2**63, grade_scale=("U", "A"),
        grade_distribution=(0.25, 0.75),
    )  # fmt: skip
    row = no_default(
        AssessmentRow, its_id, "b", options, 1.25,
        state=CJBatchStateEnum.SCORING, revision=1, version=2, cancel_requested=True,
        stop_reason=WorkflowStopReason.BUDGET, error_code=CJAssessmentErrorCode.STUCK, chunks=3, extended_chunk=4,
        strengths=(0.1, -1e-300), graded=(0, 2), progress_clock=1.1, arrival_clock=2.2, paused_seconds=3.3,
        paused_at=4.4, wake_at=7.7, waiting_for="a hold", completed_at=5.5, billed=6,
    )  # fmt: skip
    essay = no_default(EssayRow, 0, "e0", text_status=TextStatus.FAILED, known_grade="A", words=7, error="404")
    rounds = (no_default(RoundRow, 0, 2, 1.5, partial=True, reliability=0.75, score_change=0.125), RoundRow(1, 1))
    comparison = no_default(
        ComparisonRow, 0, 0, 1, 2, 1,
        status=ComparisonStatus.SUCCEEDED, submissions=1, attempts=2, chunk=0, submitted_clock=1.5, expires_clock=2.5,
        asked_clock=3.5, first_won=False, confidence=4.5, verdicts=2, cost_usd=0.1, prompt_tokens=2**40,
        completion_tokens=7, error_code="LLM_X",
    )  # fmt: skip
    async with store.assessments.locked(its_id) as unit:
        after = replace(
            unit.state,
            assessment=row,
            essays=(essay, *unit.state.essays[1:]),
            rounds=rounds,
            comparisons=(comparison, ComparisonRow(1, 1, 2, 3, 0)),
        )
        await unit.save(after, now=NOW, decided=True, chunks=[NewChunk(0)])
        assert unit.state == after
    assert await store.assessments.read(its_id) == after


@pytest.mark.parametrize("mapping", [ASSESSMENT, JUDGE, ESSAY, ROUND, COMPARISON])
def test_a_table_begins_with_the_fields_of_its_class(mapping):
    names = [column.name for column in mapping.table.columns if column.name != "assessment_id"]
    assert tuple(names[: len(mapping.names)]) == mapping.names


async def test_an_unknown_assessment_is_not_found(store):
    for call in (store.assessments.read, store.assessments.request, store.assessments.owner):
        with pytest.raises(AssessmentNotFound):
            await call(uuid4())
    with pytest.raises(AssessmentNotFound):
        async with store.assessments.locked(uuid4()):
            pass


@pytest.mark.parametrize("same", ["event", "batch"])
async def test_the_same_request_twice_and_fifty_times_at_once_is_one_assessment(store, same):
    def again():
        keys = [RequestKey("event_id", "one" if same == "event" else str(uuid4()))]
        new = new_assessment(keys=keys, batch="batch-1")
        return replace(new, open_key=None) if same == "event" else new

    made = await asyncio.gather(*(store.assessments.create(again(), now=NOW) for _ in range(50)))
    assert len({one.assessment for one in made}) == 1
    assert sum(one.created for one in made) == 1
    assert not (await store.assessments.create(again(), now=NOW)).created


async def test_an_event_that_found_an_unfinished_assessment_finds_it_when_it_is_finished(store):
    first = await store.assessments.create(new_assessment(keys=[event_key("one")]), now=NOW)
    second = await store.assessments.create(new_assessment(keys=[event_key("two")]), now=NOW)
    async with store.assessments.locked(first.assessment) as unit:
        ended = replace(unit.state.assessment, state=CJBatchStateEnum.COMPLETED)
        await unit.save(replace(unit.state, assessment=ended), now=NOW, decided=True)
    for key in ("one", "two"):
        again = await store.assessments.create(new_assessment(keys=[event_key(key)]), now=NOW)
        assert (again.assessment, again.created) == (first.assessment, False)
    assert second.assessment == first.assessment
    third = await store.assessments.create(new_assessment(keys=[event_key("three")]), now=NOW)
    assert third.created


async def test_two_assessments_may_share_essays_and_other_batches_are_others(store):
    made = [await store.assessments.create(new_assessment(batch=name), now=NOW) for name in "ab"]
    assert all(one.created for one in made)


async def test_an_idempotency_key_with_another_body_is_refused(store):
    key = RequestKey("idempotency_key", "me:k", "digest 1")
    await store.assessments.create(new_assessment(keys=[key], owner="me"), now=NOW)
    assert not (await store.assessments.create(new_assessment(batch="x", keys=[key]), now=NOW)).created
    with pytest.raises(IdempotencyMismatch):
        await store.assessments.create(new_assessment(batch="y", keys=[replace(key, digest="digest 2")]), now=NOW)


async def test_a_step_writes_what_differs_and_adds_one_to_the_revision(store):
    its_id = await running(store)
    state = await store.assessments.read(its_id)
    assert state.assessment.revision == 2
    assert [row.status for row in state.comparisons] == [ComparisonStatus.SUBMITTED] * 2
    async with store.assessments.locked(its_id) as unit:
        await unit.save(unit.state, now=NOW, decided=True)
    assert await store.assessments.read(its_id) == state


async def test_a_step_that_fails_changes_nothing(store):
    its_id = await running(store)
    before = await store.assessments.read(its_id)
    with pytest.raises(RuntimeError):
        async with store.assessments.locked(its_id) as unit:
            after = submitted(planned(unit.state, [(1, 2)], number=1), [2], chunk=1)
            await unit.save(after, now=NOW, decided=True, events=[event()], chunks=[NewChunk(1)])
            raise RuntimeError
    assert await store.assessments.read(its_id) == before
    assert await store.outbox.claim(now=NOW, limit=9, lease_seconds=1) == []
    assert await store.chunks.claim(now=NOW + 1e6, limit=9, lease_seconds=1) == []


async def test_a_submission_without_its_chunk_is_refused(store):
    its_id = await running(store)
    async with store.assessments.locked(its_id) as unit:
        after = submitted(planned(unit.state, [(1, 2)], number=1), [2], chunk=1)
        with pytest.raises(ValueError, match="chunk is not new"):
            await unit.save(after, now=NOW, decided=True)


async def test_two_steps_at_once_come_one_after_the_other(store):
    its_id = (await store.assessments.create(new_assessment(), now=NOW)).assessment

    async def step():
        async with store.assessments.locked(its_id) as unit:
            row = unit.state.assessment
            await asyncio.sleep(0.001)
            await unit.save(replace(unit.state, assessment=replace(row, billed=row.billed + 1)), now=NOW, decided=True)

    await asyncio.gather(*(step() for _ in range(20)))
    row = (await store.assessments.read(its_id)).assessment
    assert (row.billed, row.revision) == (20, 20)


async def test_a_step_is_claimed_by_one_process_until_it_saves_or_its_lease_ends(store):
    made = [(await store.assessments.create(new_assessment(batch=str(n)), now=NOW + n)).assessment for n in range(3)]

    def claim(now, limit=9):
        return store.assessments.claim_due(now=now, limit=limit, lease_seconds=30)

    assert await claim(NOW - 1) == []
    assert await claim(NOW + 5, limit=2) == made[:2]
    assert await claim(NOW + 5) == made[2:]
    assert await claim(NOW + 6) == []
    async with store.assessments.locked(made[0]) as unit:
        await unit.save(asleep(unit.state, NOW + 10), now=NOW, decided=True)
    async with store.assessments.locked(made[1]) as unit:
        await unit.save(unit.state, now=NOW, decided=True)
    assert await claim(NOW + 11) == [made[0]]
    assert await claim(NOW + 36) == [made[2]]
    assert await claim(NOW + 1e9) == [made[2], made[0]]


async def test_what_is_no_decision_makes_a_step_due_only_if_there_is_something_to_decide(store):
    """And it neither ends the lease of a step, nor puts off one that is due."""
    its_id = await running(store, accept=False, iterative=False)  # else a second round could be planned ahead

    async def claim(now):
        return await store.assessments.claim_due(now=now, limit=9, lease_seconds=30)

    async with store.assessments.locked(its_id) as unit:
        await unit.save(accept_all(unit.state), now=NOW + 1, decided=False, answered=[0])
    assert await claim(NOW + 2) == []
    await store.callbacks.record([verdict(its_id, 0), verdict(its_id, 1)], now=NOW + 3)
    async with store.assessments.locked(its_id) as unit:
        row = replace(unit.state.assessment, cancel_requested=True)
        await unit.save(replace(unit.state, assessment=row), now=NOW + 4, decided=False)
    assert await claim(NOW + 4) == [its_id]
    async with store.assessments.locked(its_id) as unit:
        await unit.save(unit.state, now=NOW + 5, decided=False)
    assert await claim(NOW + 6) == []
    assert await claim(NOW + 34) == [its_id]


async def test_claims_at_once_share_what_is_due(store):
    made = [(await store.assessments.create(new_assessment(batch=str(n)), now=NOW)).assessment for n in range(12)]
    shares = await asyncio.gather(*(store.assessments.claim_due(now=NOW, limit=3, lease_seconds=30) for _ in range(6)))
    claimed = [one for share in shares for one in share]
    claimed += await store.assessments.claim_due(now=NOW, limit=99, lease_seconds=30)
    assert sorted(claimed) == sorted(made)


async def test_progress_is_known_without_reading_comparisons(store):
    its_id = await running(store)
    await store.callbacks.record([verdict(its_id, 0)], now=NOW + 1)
    row, progress = await store.assessments.progress(its_id)
    assert row == (await store.assessments.read(its_id)).assessment
    assert (progress.round, progress.planned, progress.submitted, progress.completed) == (0, 2, 2, 1)


async def test_a_chunk_is_read_as_it_was_made_whatever_became_of_it(store):
    its_id = await running(store, accept=False)
    made = await store.chunks.read(its_id, 0)
    assert (made.retry, made.created_at, made.sent_at) == (False, NOW, None)
    assert [(one.comparison.number, one.submission) for one in made.items] == [(0, 1), (1, 1)]
    assert [one.correlation_id for one in made.items] == [correlation_id(its_id, n, 1) for n in (0, 1)]
    async with store.assessments.locked(its_id) as unit:
        await unit.save(accept_all(unit.state), now=NOW, decided=False, answered=[0])
    await store.callbacks.record([verdict(its_id, 0)], now=NOW)
    again = await store.chunks.read(its_id, 0)
    assert [(one.submission, one.correlation_id) for one in again.items] == [
        (one.submission, one.correlation_id) for one in made.items
    ]


async def test_a_chunk_is_sent_until_it_was_answered(store):
    its_id = await running(store, accept=False)
    assert await store.chunks.claim(now=NOW, limit=9, lease_seconds=30) == [(its_id, 0)]
    assert await store.chunks.claim(now=NOW + 29, limit=9, lease_seconds=30) == []
    assert await store.chunks.sending(its_id, 0, now=NOW + 1) == NOW + 1
    assert await store.chunks.claim(now=NOW + 31, limit=9, lease_seconds=30) == [(its_id, 0)]
    assert await store.chunks.sending(its_id, 0, now=NOW + 32) == NOW + 1
    await store.chunks.postpone(its_id, 0, until=NOW + 100)
    assert await store.chunks.claim(now=NOW + 99, limit=9, lease_seconds=30) == []
    async with store.assessments.locked(its_id) as unit:
        await unit.save(accept_all(unit.state), now=NOW, decided=False, answered=[0])
    assert await store.chunks.claim(now=NOW + 1e6, limit=9, lease_seconds=30) == []
    await store.chunks.postpone(its_id, 0, until=NOW)
    assert await store.chunks.claim(now=NOW + 1e6, limit=9, lease_seconds=30) == []


async def test_texts_are_fetched_until_their_essay_has_one_or_failed(store):
    its_id = (await store.assessments.create(new_assessment(3, ready=False), now=NOW)).assessment
    claimed = await store.texts.claim(now=NOW, limit=9, lease_seconds=30)
    assert [(one.assessment, one.index, one.text_storage_id, one.fetches) for one in claimed] == [
        (its_id, n, f"s{n}", 0) for n in range(3)
    ]
    async with store.assessments.locked(its_id) as unit:
        first, second, third = unit.state.essays
        after = replace(
            unit.state,
            essays=(
                replace(first, text_status=TextStatus.READY, words=2),
                replace(second, text_status=TextStatus.FAILED, error="404"),
                third,
            ),
        )
        await unit.save(after, now=NOW, decided=False, texts={0: "a text"})
    await store.texts.postpone(claimed[2], until=NOW + 40)
    await store.texts.postpone(claimed[1], until=NOW + 40)
    assert [one.index for one in await store.texts.claim(now=NOW + 39, limit=9, lease_seconds=30)] == []
    (last,) = await store.texts.claim(now=NOW + 41, limit=9, lease_seconds=30)
    assert (last.index, last.fetches) == (2, 1)
    assert await store.texts.read(its_id) == {0: "a text"}
    assert await store.texts.read(its_id, [1]) == {}
