"""Assessments for tests of the store."""

from dataclasses import replace
from uuid import UUID, uuid4

from assessment.store.stored import (
    CallbackAnswer,
    EssaySource,
    NewAssessment,
    NewChunk,
    OutboxEvent,
    RequestKey,
    StoredAssessmentRequest,
)
from assessment.workflow.record import accepted, assigned
from assessment.workflow.state import (
    AssessmentRow,
    ComparisonRow,
    ComparisonStatus,
    EssayRow,
    JudgeRow,
    RoundRow,
    TextStatus,
    WorkflowOptions,
    WorkflowState,
    correlation_id,
)
from contracts.enums import CJBatchStateEnum

NOW = 1_000_000.0


def new_assessment(students=4, *, batch="batch-1", keys=(), owner=None, ready=True, **options):
    state = WorkflowState(
        assessment=AssessmentRow(uuid4(), batch, WorkflowOptions(seed=7, **options), NOW, progress_clock=NOW),
        judges=(JudgeRow(0, "mock", "mock-1", 0.5, "low", 2.0, 0.001), JudgeRow(1, None, None)),
        essays=tuple(
            EssayRow(n, f"e{n}", TextStatus.READY if ready else TextStatus.PENDING, "A" if n == 0 else None)
            for n in range(students)
        ),
    )
    return NewAssessment(
        state=state,
        sources=tuple(
            EssaySource(f"text {n}", display_name=f"Name {n}") if ready else EssaySource(text_storage_id=f"s{n}")
            for n in range(students)
        ),
        request=StoredAssessmentRequest(
            {"data": {"entity_id": batch, "å": [1.5, None], "odd": "\0"}}, "kafka", uuid4(), "00-x"
        ),
        keys=tuple(keys),
        open_key=batch,
        owner=owner,
    )


def event_key(key=None):
    return RequestKey("event_id", key or str(uuid4()))


def event(key="batch-1", value=b'{"a":1}'):
    return OutboxEvent(uuid4(), "huleedu.x.v1", key, {"event_id": "1", "trace_id": "å"}, value)


def planned(state, pairs, *, number=0):
    """The state with one round more, of these pairs."""
    start = len(state.comparisons)
    return replace(
        state,
        assessment=replace(state.assessment, state=CJBatchStateEnum.WAITING_CALLBACKS),
        rounds=(*state.rounds, RoundRow(number, len(pairs))),
        comparisons=(
            *state.comparisons,
            *(ComparisonRow(start + n, number, *pair, judge=0) for n, pair in enumerate(pairs)),
        ),
    )


def asleep(state, until):
    """The state with its next step at this time."""
    return replace(state, assessment=replace(state.assessment, wake_at=until))


def submitted(state, numbers, chunk=0):
    """The state with these comparisons assigned to a chunk."""
    rows = list(state.comparisons)
    for number in numbers:
        rows[number] = assigned(rows[number], chunk)
    return replace(
        state, comparisons=tuple(rows), assessment=replace(state.assessment, chunks=state.assessment.chunks + 1)
    )


async def running(store, pairs=((0, 1), (2, 3)), *, accept=True, **changes):
    """An assessment with one round, of which all comparisons were submitted in chunk 0. Its id."""
    new = new_assessment(**changes)
    its_id = (await store.assessments.create(new, now=NOW)).assessment
    async with store.assessments.locked(its_id) as unit:
        state = submitted(planned(unit.state, pairs), range(len(pairs)))
        await unit.save(asleep(state, NOW + 500), now=NOW, decided=True, chunks=[NewChunk(0)])
    if accept:
        async with store.assessments.locked(its_id) as unit:
            await unit.save(accept_all(unit.state), now=NOW, decided=False, answered=[0])
    return its_id


def accept_all(state, clock=NOW, ttl=3600.0):
    rows = tuple(
        accepted(row, row.submissions, clock, ttl) if row.status is ComparisonStatus.ASSIGNED else row
        for row in state.comparisons
    )
    return replace(state, comparisons=rows)


def verdict(assessment: UUID, number, *, first_won=True, submission=1, **changes):
    fields = {
        "confidence": 4.0, "justification": "Clearer.", "provider": "mock", "model": "mock-1", "cost_usd": 0.25,
        "prompt_tokens": 100, "completion_tokens": 10, "requested_at": NOW, "completed_at": NOW + 1.5,
    }  # fmt: skip
    return CallbackAnswer(correlation_id(assessment, number, submission), first_won, **fields | changes)


def failure(assessment: UUID, number, code="LLM_PROVIDER_API_ERROR", *, submission=1, reason=None):
    return CallbackAnswer(correlation_id(assessment, number, submission), error_code=code, error_reason=reason)
