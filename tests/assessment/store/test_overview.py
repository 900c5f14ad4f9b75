"""Lists, gauges and stored answers; and what an erasure leaves of them."""

from dataclasses import replace
from uuid import uuid4

import pytest
from umpire_store import NOW, event, failure, new_assessment, running, verdict

from assessment.errors import AssessmentNotFound
from assessment.store.erasure import Erasure
from contracts.enums import CJBatchStateEnum


async def test_a_list_shows_the_callers_own_newest_first_page_by_page(store):
    made = []
    for n, owner in enumerate(["me", "you", None, "me", "me"]):
        new = new_assessment(batch=str(n), owner=owner)
        row = replace(new.state.assessment, created_at=NOW + n // 2)
        await store.assessments.create(replace(new, state=replace(new.state, assessment=row)), now=NOW)
        made.append(row)

    async def page(**options):
        return [row.batch_id for row in await store.overview.page(**{"owners": {"me"}} | options)]

    assert sorted(await page()) == ["0", "3", "4"]
    assert (await page())[0] == "4"
    assert sorted(await page(owners={"you", None})) == ["1", "2"]
    assert len(await page(owners=None)) == 5
    assert await page(owners=[]) == []
    seen, after = [], None
    while rows := await store.overview.page(owners=None, after=after, limit=2):
        seen += rows
        after = (rows[-1].created_at, rows[-1].id)
    assert seen == sorted(made, key=lambda row: (row.created_at, row.id.hex), reverse=True)
    assert await page(states=[CJBatchStateEnum.COMPLETED]) == []
    assert len(await page(states=[CJBatchStateEnum.INITIALIZING, CJBatchStateEnum.FAILED])) == 3
    states = await store.overview.states()
    assert states == dict.fromkeys(CJBatchStateEnum, 0) | {CJBatchStateEnum.INITIALIZING: 5}


async def test_stored_answers_say_who_judged(store):
    its_id = await running(store, [(0, 1), (1, 2), (2, 3), (3, 0)])
    group = [
        verdict(its_id, 1, model="b"),
        failure(its_id, 0),
        verdict(its_id, 3, model="a"),
        verdict(its_id, 2, model="a"),
    ]
    await store.callbacks.record(group, now=NOW + 9)
    assert await store.overview.judges(its_id) == [("mock", "a", 2), ("mock", "b", 1)]
    rows = await store.overview.answers(its_id)
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert (rows[0].first_won, rows[0].error_code) == (None, "LLM_PROVIDER_API_ERROR")
    assert (rows[1].first_won, rows[1].justification, rows[1].cost_usd) == (True, "Clearer.", 0.25)
    assert (rows[1].requested_at, rows[1].completed_at, rows[1].received_at) == (NOW, NOW + 1.5, NOW + 9)


async def test_an_erasure_takes_texts_justifications_and_names_and_leaves_numbers(store, database_url):
    kept = await running(store, batch="kept")
    its_id = await running(store)
    await store.callbacks.record([verdict(its_id, 0), verdict(kept, 0)], now=NOW)
    published, owed = event(value=b"Ash"), event(value=b"Ash wins")
    async with store.assessments.locked(its_id) as unit:
        await unit.save(unit.state, now=NOW, decided=True, events=[published])
    (queued,) = await store.outbox.claim(now=NOW, limit=9, lease_seconds=1)
    await store.outbox.published([queued.number], now=NOW)
    async with store.assessments.locked(its_id) as unit:
        await unit.save(unit.state, now=NOW, decided=True, events=[owed])
    before = await store.assessments.read(its_id)

    erasure = Erasure(store.database, lambda value: value.replace(b"Ash", b"-"))
    for _ in range(2):
        await erasure.erase(its_id, now=NOW + 1)
    assert await store.assessments.read(its_id) == before
    assert await store.texts.read(its_id) == {}
    assert await store.texts.names(its_id) == {}
    assert (await store.assessments.request(its_id)).original == {}
    (answer,) = await store.overview.answers(its_id)
    assert (answer.justification, answer.confidence) == (None, 4.0)
    assert await store.outbox.find(published.event_id) is None
    assert (await store.outbox.find(owed.event_id)).value == b"- wins"
    await store.callbacks.record([verdict(its_id, 1)], now=NOW)
    assert [row.justification for row in await store.overview.answers(its_id)] == [None, None]
    async with store.assessments.locked(its_id) as unit:
        assert unit.erased

    assert len(await store.texts.read(kept)) == 4
    assert (await store.overview.answers(kept))[0].justification == "Clearer."
    async with store.assessments.locked(kept) as unit:
        assert not unit.erased
    with pytest.raises(AssessmentNotFound):
        await erasure.erase(uuid4(), now=NOW)


async def test_an_assessment_is_due_for_erasure_some_time_after_its_end(store):
    ids = [await running(store, batch=str(n)) for n in range(3)]
    for n, its_id in enumerate(ids[:2]):
        async with store.assessments.locked(its_id) as unit:
            row = replace(unit.state.assessment, state=CJBatchStateEnum.FAILED, completed_at=NOW + n)
            await unit.save(replace(unit.state, assessment=row), now=NOW, decided=True)
    erasure = Erasure(store.database, bytes)
    assert await erasure.due(ended_before=NOW, limit=9) == []
    assert await erasure.due(ended_before=NOW + 9, limit=9) == ids[:2]
    await erasure.erase(ids[0], now=NOW)
    assert await erasure.due(ended_before=NOW + 9, limit=9) == [ids[1]]
