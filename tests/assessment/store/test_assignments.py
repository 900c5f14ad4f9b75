"""Assignments, anchors and contents."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from uuid import uuid4

import pytest
from umpire_store import NOW

from assessment.errors import AssignmentInUse, UnknownAssignment
from assessment.store.assignments import Assignment

ASSIGNMENT = Assignment("a-1", "Compare them well.", "swedish_8_anchor", title="Bees", overrides={"batch_size": 20})


async def register(store, label="one", grade="A", text="text"):
    return await store.assignments.register_anchor("a-1", label=label, grade=grade, storage_id="s", text=text, now=NOW)


async def test_an_assignment_is_created_replaced_listed_and_deleted(store):
    assert await store.assignments.put(ASSIGNMENT, now=NOW)
    changed = replace(ASSIGNMENT, rubric="Clarity.", grade_scale=["U", "G"], student_prompt="Write.")
    assert not await store.assignments.put(changed, now=NOW + 1)
    assert await store.assignments.get("a-1") == changed
    await store.assignments.put(replace(ASSIGNMENT, assignment_id="a-2"), now=NOW)
    assert [one.assignment_id for one in await store.assignments.list()] == ["a-1", "a-2"]
    assert [one.assignment_id for one in await store.assignments.list(after="a-1")] == ["a-2"]
    await store.assignments.delete("a-1")
    for call in (store.assignments.get, store.assignments.delete, store.assignments.anchors):
        with pytest.raises(UnknownAssignment):
            await call("a-1")


async def test_an_anchor_with_the_same_label_is_replaced_and_others_are_added(store):
    await store.assignments.put(ASSIGNMENT, now=NOW)
    first = await register(store)
    again = await register(store, grade="B", text="new")
    assert again.anchor_id == first.anchor_id
    await register(store, label=None)
    await register(store, label=None)
    anchors = await store.assignments.anchors("a-1")
    assert len(anchors) == 3
    assert again in anchors
    assert await store.assignments.delete_anchor("a-1", again.anchor_id)
    assert not await store.assignments.delete_anchor("a-1", again.anchor_id)
    assert not await store.assignments.delete_anchor("a-1", uuid4())
    with pytest.raises(UnknownAssignment):
        await store.assignments.register_anchor("x", label=None, grade="A", storage_id="s", text="t", now=NOW)


async def test_scale_and_origin_are_fixed_while_there_are_anchors(store):
    await store.assignments.put(ASSIGNMENT, now=NOW)
    anchor = await register(store)
    for change in ({"grade_scale": ["U", "G"]}, {"context_origin": "canonical_national"}):
        with pytest.raises(AssignmentInUse, match="has anchors"):
            await store.assignments.put(replace(ASSIGNMENT, **change), now=NOW)
    await store.assignments.put(replace(ASSIGNMENT, title="Wasps"), now=NOW)
    await store.assignments.delete_anchor("a-1", anchor.anchor_id)
    await store.assignments.put(replace(ASSIGNMENT, grade_scale=["U", "G"]), now=NOW)


async def test_anchors_of_one_label_at_once_are_one(store):
    await store.assignments.put(ASSIGNMENT, now=NOW)
    made = await asyncio.gather(*(register(store, text=str(n)) for n in range(10)))
    assert len({one.anchor_id for one in made}) == 1
    assert len(await store.assignments.anchors("a-1")) == 1


async def test_a_content_is_found_by_its_owner_under_the_hash_of_its_bytes(store):
    body = "å\r\n".encode()
    its_id = await store.contents.put("me", body, content_type="text/plain; charset=utf-8", now=NOW)
    assert its_id == sha256(body).hexdigest()[:32]
    assert await store.contents.put("me", body, content_type="other", now=NOW) == its_id
    assert await store.contents.get("me", its_id) == ("text/plain; charset=utf-8", body)
    assert await store.contents.get("you", its_id) is None
    assert await store.contents.get(None, its_id) is None
    assert await store.contents.put(None, body, content_type="text/plain", now=NOW) == its_id
    assert (await store.contents.get(None, its_id)).content_type == "text/plain"
