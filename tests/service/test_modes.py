"""200 or 202: the three processing modes, `Prefer`, and the answers to clients that wait."""

import asyncio
import uuid

import httpx2
import pytest
from umpire_service import SECRET, Stopwatch, Worker, admitted, failure, open_breaker, verdict

from devtools.servers import apoll

pytestmark = pytest.mark.redis


async def test_the_default_waits_for_the_verdict(api, worker):
    correlation_id = str(uuid.uuid4())
    answer = await api.post(correlation_id=correlation_id, metadata={"essay_a_id": "a", "n": 1.5})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["winner"] == "Essay B"
    assert body["confidence"] == 4.0
    assert body["correlation_id"] == correlation_id
    assert body["queue_id"] == str(worker.seen[0].stored.queue_id)
    assert body["metadata"] == {"cost_known": True, "essay_a_id": "a", "n": 1.5}
    assert body["cost_estimate"] == 0.25
    assert body["token_usage"]["total_tokens"] == 10
    assert "preference-applied" not in answer.headers


async def test_an_unknown_price_is_null_not_zero(settings, api):
    judge = Worker(settings, lambda c: verdict(c, cost_estimate=0.0, request_metadata={"cost_known": False}))
    async with judge.working():
        assert (await api.post()).json()["cost_estimate"] is None


@pytest.mark.parametrize("way", [{"processing_mode": "queue"}, {"headers": {"Prefer": "respond-async"}}])
async def test_queue_and_respond_async_are_answered_at_once(api, way):
    with Stopwatch() as watch:
        answer = await api.post(**way)
    assert answer.status_code == 202
    assert watch.seconds < 1
    body = answer.json()
    assert body["status"] == "queued"
    assert await api.dependencies.ledger.stats.state(uuid.UUID(body["queue_id"])) == "queued"
    assert answer.headers.get("preference-applied") == ("respond-async" if "headers" in way else None)
    assert "location" not in answer.headers


async def test_respond_async_with_a_wait_answers_202_after_the_wait(api):
    with Stopwatch() as watch:
        answer = await api.post(headers={"Prefer": "respond-async, wait=1"})
    assert answer.status_code == 202
    assert 0.9 < watch.seconds < 2.5
    assert answer.headers["preference-applied"] == "respond-async, wait=1"


async def test_respond_async_with_a_wait_gives_the_verdict_that_came_in_time(api, worker):
    answer = await api.post(headers={"Prefer": "respond-async; foo=bar, wait=3"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=3"


async def test_wait_shortens_the_wait(api):
    with Stopwatch() as watch:
        answer = await api.post(headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert watch.seconds < 2.5
    assert answer.headers["preference-applied"] == "wait=1"


async def test_an_explicit_queue_mode_does_not_wait(api, worker):
    answer = await api.post(processing_mode="queue", headers={"Prefer": "wait=5"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("header", ["wait=soon", "wait", ",,;=", "wait=-1", '"', "return=minimal"])
async def test_a_malformed_preference_is_ignored(api, worker, header):
    answer = await api.post(headers={"Prefer": header})
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


async def test_a_prefer_header_that_is_slow_to_parse_does_not_delay_others(api, worker):
    with Stopwatch() as watch:
        answer = await api.post(headers={"Prefer": '"' + '\\"' * 20_000})
    assert answer.status_code == 200
    assert watch.seconds < 2


async def test_an_unavailable_provider_queues_by_default_and_refuses_immediate(api):
    await open_breaker(api)
    with Stopwatch() as watch:
        assert (await api.post()).status_code == 202
        assert (await api.post(processing_mode="queue")).status_code == 202
    assert watch.seconds < 1
    before = await admitted(api)
    for headers in ({}, {"Prefer": "respond-async"}):
        refused = await api.post(processing_mode="immediate", headers=headers)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        problem = refused.json()
        assert problem["error_code"] == "LLM_PROVIDER_UNAVAILABLE"
        assert problem["is_retryable"] is True
        assert "queue_id" not in problem
    assert await admitted(api) == before


async def test_immediate_is_answered_200_or_202_when_the_provider_is_slow(settings, api):
    slow = await api.post(processing_mode="immediate", headers={"Prefer": "wait=0"})
    assert slow.status_code == 202
    async with Worker(settings).working():
        assert (await api.post(processing_mode="immediate")).status_code == 200


@pytest.mark.parametrize(
    ("code", "details", "status", "answered_code"),
    [
        ("LLM_PROVIDER_UNAVAILABLE", {}, 503, "LLM_PROVIDER_UNAVAILABLE"),
        ("LLM_INVALID_RESPONSE", {}, 502, "LLM_INVALID_RESPONSE"),
        ("LLM_CONFIGURATION_ERROR", {}, 500, "LLM_CONFIGURATION_ERROR"),
        ("LLM_INVALID_PROMPT", {}, 422, "LLM_INVALID_PROMPT"),
        ("LLM_PROVIDER_TIMEOUT", {"reason": "LLM_REQUEST_EXPIRED"}, 504, "LLM_REQUEST_EXPIRED"),
        ("LLM_PROVIDER_API_ERROR", {"reason": "something else"}, 502, "LLM_PROVIDER_API_ERROR"),
    ],
)
async def test_a_failed_comparison_is_a_typed_problem_with_its_queue_id(
    settings, api, code, details, status, answered_code
):
    async with Worker(settings, failure(code, **details)).working() as worker:
        answer = await api.post(metadata={"m": 1})
    assert answer.status_code == status
    problem = answer.json()
    assert problem["error_code"] == answered_code
    assert problem["queue_id"] == str(worker.seen[0].stored.queue_id)
    assert problem["correlation_id"] == str(worker.seen[0].stored.correlation_id)
    assert problem["error"] == problem["detail"] == "it did not work"
    assert ("retry-after" in answer.headers) == problem["is_retryable"]
    assert SECRET not in answer.text


async def test_a_client_that_disconnects_while_it_waits_loses_nothing(settings, api):
    async with httpx2.AsyncClient(base_url=api.url) as impatient:
        with pytest.raises(httpx2.ReadTimeout):
            await impatient.post("/api/v1/comparison", json={"user_prompt": "p", "callback_topic": "t"}, timeout=0.3)
    assert await admitted(api) == 1
    worker = Worker(settings)
    assert len(await worker.once()) == 1
    assert (await api.dependencies.ledger.stats.sizes()).outbox == 1
    await worker.redis.aclose()


async def test_a_stopping_process_answers_its_waiting_clients_202(api):
    waiting = asyncio.create_task(api.post())
    await apoll(lambda: admitted(api), what="it is admitted")
    api.dependencies.waits.end()
    with Stopwatch() as watch:
        assert (await waiting).status_code == 202
        assert (await api.post()).status_code == 202
    assert watch.seconds < 2


async def test_the_callers_trace_is_stored_and_answered(settings, api, worker):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await api.post(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    await api.post(headers={"traceparent": "nonsense"})
    carried, made = (claimed.stored.traceparent for claimed in worker.seen)
    assert carried[3:35] == trace
    assert made[3:35] != trace
    assert len(made) == 55
    assert (carried[-3:], made[-3:]) == ("-01", "-00")


async def test_the_wait_is_estimated_from_the_queue_before_it(api):
    api.dependencies.estimate._figures = {}
    assert (await api.post(processing_mode="queue")).json()["estimated_wait_minutes"] is None


async def test_the_stored_request_equals_the_request(settings, api):
    blocks = [{"target": "user_content", "content": "part", "cacheable": True, "ttl": "1h"}]
    sent = {
        "prompt_blocks": blocks,
        "metadata": {"deep": [{"ünï": None, "x": 2**60}]},
        "priority": 10,
        "ttl_seconds": 60,
        "user_id": "u",
        "llm_config_overrides": {"temperature_override": 1},
    }
    answer = await api.post(processing_mode="queue", **sent)
    assert answer.status_code == 202
    worker = Worker(settings)
    (claimed,) = await worker.once()
    await worker.redis.aclose()
    stored = claimed.stored
    assert str(stored.queue_id) == answer.json()["queue_id"]
    assert stored.request.metadata == sent["metadata"]
    assert stored.request.prompt_blocks[0].content == "part"
    assert (stored.expires_at - stored.requested_at).total_seconds() == 60
