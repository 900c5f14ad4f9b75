"""POST /api/v1/comparison/batch: each comparison has its queue id or its error, in the order sent."""

import json
import uuid

import pytest
from umpire_batch import KEY, comparisons, items_of, post
from umpire_keys import make_key
from umpire_service import BODY, admitted, problem_of, running_api, settings_of

from contracts.enums import QueueEvent
from devtools.servers import apoll
from ledger.redis.group_commit import MAX_BATCH_BYTES

pytestmark = pytest.mark.redis


async def test_all_accepted_is_202_and_each_is_judged_once(api, worker):
    items = items_of(await post(api, comparisons(200)), 202, 200, 0)
    await apoll(lambda: len(worker.seen) == 200, what="all are judged")
    seen = {str(claimed.stored.queue_id): claimed.stored for claimed in worker.seen}
    for item in items:
        stored = seen[str(item.queue_id)]
        assert stored.request.metadata == {"n": item.index}
        assert stored.correlation_id == item.correlation_id
    assert len({stored.traceparent for stored in seen.values()}) == 200


async def test_some_accepted_is_207_and_each_refusal_has_its_own_problem(api):
    its_own = str(uuid.uuid4())
    wrong = {
        "_1": {"callback_topic": "no topic!", "correlation_id": its_own},
        "_2": {"priority": 11, "correlation_id": its_own},
        "_3": {"processing_mode": "immediate"},
        "_4": {"llm_config_overrides": {"provider_override": "anthropic"}},
        "_5": {"user_prompt": "x" * 1_000_001},
        "_6": {"metadata": {"x": "y" * 64_000}},
        "_7": {"colour": "red"},
    }
    sent = [*comparisons(9, **wrong), 7, {"user_prompt": "p"}]
    items = items_of(await post(api, sent), 207, 2, 9)
    assert [item.error and (item.error.status, item.error.error_code.value) for item in items] == [
        None,
        (422, "LLM_INVALID_CALLBACK_TOPIC"),
        (422, "LLM_INVALID_CONFIG"),
        (422, "LLM_INVALID_CONFIG"),
        (422, "LLM_INVALID_CONFIG"),
        (413, "LLM_CONTENT_TOO_LONG"),
        (413, "LLM_CONTENT_TOO_LONG"),
        (422, "LLM_INVALID_CONFIG"),
        None,
        (422, "LLM_INVALID_CONFIG"),
        (422, "LLM_CALLBACK_TOPIC_MISSING"),
    ]
    assert str(items[1].correlation_id) == str(items[2].correlation_id) == its_own
    assert items[2].error.details["errors"][0]["loc"] == ["priority"]
    assert await admitted(api) == 2


async def test_none_accepted_is_the_problem_of_the_first_with_all_items(api):
    answer = await post(api, comparisons(2, _0={"user_prompt": ""}, _1={"callback_topic": "!"}))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["error_code"] == "LLM_INVALID_PROMPT"
    assert body["detail"].startswith("none of the 2 comparisons was accepted; the first one: user_prompt: ")
    assert [item["error"]["error_code"] for item in body["items"]] == [
        "LLM_INVALID_PROMPT",
        "LLM_INVALID_CALLBACK_TOPIC",
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "LLM_INVALID_CONFIG"),
        (b"[]", 422, "LLM_INVALID_CONFIG"),
        (b"{}", 422, "LLM_INVALID_CONFIG"),
        (b'{"comparisons": []}', 422, "LLM_INVALID_CONFIG"),
        (b'{"comparisons": {}}', 422, "LLM_INVALID_CONFIG"),
        (json.dumps({"comparisons": [BODY], "more": 1}).encode(), 422, "LLM_INVALID_CONFIG"),
        (json.dumps({"comparisons": [BODY] * 201}).encode(), 422, "LLM_INVALID_CONFIG"),
        (json.dumps({"comparisons": [BODY]}).encode()[:-1], 422, "LLM_INVALID_CONFIG"),
        (b'{"comparisons": [' + b"1," * 200_000 + b"1]}", 413, "LLM_CONTENT_TOO_LONG"),
    ],
)
async def test_a_list_that_is_itself_wrong_is_a_problem_without_items(api, body, status, code):
    problem_of(await post(api, body), status, code)
    problem_of(await post(api, comparisons(1), {"content-type": "text/plain"}), 415, "LLM_INVALID_CONFIG")
    problem_of(await post(api, comparisons(1), {"Idempotency-Key": ""}), 422, "LLM_INVALID_CONFIG")
    assert await admitted(api) == 0


async def test_limits_of_bytes_hold_for_the_body_and_for_each_comparison(redis_url):
    limits = {"max_body_bytes": 20_000, "max_batch_body_bytes": 60_000, "max_prompt_chars": 1_000_000}
    async with running_api(settings_of(redis_url, **limits)) as api:
        problem_of(await post(api, comparisons(4, _1={"user_prompt": "x" * 60_000})), 413, "LLM_CONTENT_TOO_LONG")
        items = items_of(await post(api, comparisons(4, _1={"user_prompt": "x" * 21_000})), 207, 3, 1)
        assert items[1].error.details == {"limit_bytes": 20_000}
        assert (await api.post(user_prompt="x" * 21_000)).status_code == 413


async def test_a_batch_of_many_megabytes_takes_several_scripts(api):
    prompt = "word " * 15_000
    sent = [BODY | {"user_prompt": prompt} for _ in range(200)]
    assert len(json.dumps(sent)) > 3 * MAX_BATCH_BYTES
    items_of(await post(api, sent), 202, 200, 0)
    assert await admitted(api) == 200


async def test_without_a_mode_that_is_served_a_comparison_is_judged_per_request(api, worker):
    items_of(await post(api, comparisons(1, _0={"batching_mode": "provider_batch_api"})), 202, 1, 0)
    await apoll(lambda: worker.seen, what="it is judged")


async def test_the_same_key_again_gives_the_first_ids_and_tries_only_what_was_refused(api):
    wrong = comparisons(5, _1={"priority": 11}, _3={"processing_mode": "immediate"})
    first = await post(api, wrong, KEY)
    before = items_of(first, 207, 3, 2)
    assert "idempotency-replayed" not in first.headers
    again = await post(api, comparisons(5, _3={"processing_mode": "immediate"}, _4={"priority": 3}), KEY)
    items = items_of(again, 207, 3, 2)
    assert again.headers["idempotency-replayed"] == "true"
    for same in (0, 2):
        assert items[same].queue_id == before[same].queue_id
        assert items[same].correlation_id == before[same].correlation_id
    assert items[1].queue_id
    assert items[3].error.status == 422
    assert items[4].error.error_code.value == "LLM_IDEMPOTENCY_CONFLICT"
    assert await admitted(api) == 4
    assert len(api.notes.named("ledger.admitted")) == 4, "a replay is announced no second time"
    alone = await api.post(headers=KEY, processing_mode="queue")
    assert "idempotency-replayed" not in alone.headers, "the key of a single comparison is another one"


async def test_a_full_ledger_refuses_the_last_ones(redis_url):
    async with running_api(settings_of(redis_url, ledger={"ledger_max_size": 3})) as api:
        answer = await post(api, comparisons(5))
        items = items_of(answer, 207, 3, 2)
        assert [bool(item.queue_id) for item in items] == [True] * 3 + [False] * 2
        assert int(answer.headers["retry-after"]) >= 1
        full = await post(api, comparisons(2))
        assert (full.status_code, full.json()["error_code"]) == (503, "LLM_QUEUE_FULL")
        assert int(full.headers["retry-after"]) >= 1
        assert len(full.json()["items"]) == 2
        assert len(api.notes.named("queue.full")) == 1


async def test_quotas_and_topics_of_a_key_hold_for_each_comparison(redis_url):
    key = await make_key(redis_url, max_queued=2, topics=("my.*",))
    async with running_api(settings_of(redis_url, auth="keys")) as api:
        items = items_of(await post(api, comparisons(4, _0={"callback_topic": "other"}), key.headers), 207, 2, 2)
        assert items[0].error.error_code.value == "LLM_INVALID_CALLBACK_TOPIC"
        assert items[3].error.details == {"limit": "max_queued"}
        assert (await post(api, comparisons(1))).status_code == 401
        reader = await make_key(redis_url, scopes=frozenset({"models:read"}))
        assert (await post(api, comparisons(1), reader.headers)).status_code == 403


async def test_a_batch_counts_as_as_many_requests_of_the_rate(redis_url):
    key = await make_key(redis_url, rate=60)
    async with running_api(settings_of(redis_url, auth="keys")) as api:
        first = await post(api, comparisons(50), key.headers)
        items_of(first, 202, 50, 0)
        assert first.headers["ratelimit"].startswith('"request_rate";r=10;')
        refused = await post(api, comparisons(20), key.headers)
        body = problem_of(refused, 429, "LLM_QUOTA_EXCEEDED")
        assert body["details"] == {"limit": "request_rate"}
        # 9 are left, and the next try needs 20.
        assert 10 <= int(refused.headers["retry-after"]) <= 12
        assert refused.headers.get_list("ratelimit") == [f'"request_rate";r=0;t={refused.headers["retry-after"]}']
        assert (await api.post(headers=key.headers, processing_mode="queue")).status_code == 202
        never = problem_of(await post(api, comparisons(61), key.headers), 429, "LLM_QUOTA_EXCEEDED")
        assert never["details"] == {"limit": "request_rate", "max_items": 60}
        assert await admitted(api) == 51


async def test_each_acceptance_is_announced(api):
    items = items_of(await post(api, comparisons(60, _7={"priority": -1})), 207, 59, 1)
    await apoll(lambda: len(api.notes.named("ledger.admitted")) == 59, what="each is counted")
    assert len(items) == 60
    assert [note.labels for note in api.notes.named("http.refused")] == [{"error_code": "LLM_INVALID_CONFIG"}]


async def test_lifecycle_events_name_the_queue_ids(api, monkeypatch):
    sent_events = []
    monkeypatch.setattr(api.dependencies.lifecycle, "send", lambda event, *_: sent_events.append(event))
    items = items_of(await post(api, comparisons(30)), 202, 30, 0)
    await apoll(lambda: len(sent_events) == 30)
    assert {event.queue_id for event in sent_events} == {str(item.queue_id) for item in items}
    assert {event.event for event in sent_events} == {QueueEvent.QUEUED}
