"""`Idempotency-Key`: a repeated request is answered with the first queue id, or refused if that cannot be looked up."""

import asyncio

import pytest
from umpire_ledger import redis_is_up
from umpire_service import admitted, open_breaker, problem_of, running_api, settings_of

from devtools.servers import apoll

pytestmark = pytest.mark.redis

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


async def test_fifty_parallel_requests_with_one_idempotency_key_are_one_comparison(api, worker):
    answers = await asyncio.gather(*(api.post(headers=KEY) for _ in range(50)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["queue_id"] for answer in answers}) == 1
    assert len(worker.seen) == 1
    assert len(api.notes.named("ledger.admitted")) == 1
    again = await api.post(headers=KEY)
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["queue_id"] == answers[0].json()["queue_id"]
    assert "winner" not in again.json()


@pytest.mark.parametrize("mode", ["queue", "immediate", "queue_if_unavailable"])
async def test_another_body_is_a_conflict(api, mode):
    headers = {**KEY, "Prefer": "wait=0"}
    first = await api.post(headers=headers, processing_mode=mode)
    assert first.status_code == 202
    assert "idempotency-replayed" not in first.headers
    refused = await api.post(headers=headers, processing_mode=mode, metadata={"other": True})
    problem_of(refused, 422, "LLM_IDEMPOTENCY_CONFLICT")
    assert await admitted(api) == 1


async def test_a_repetition_is_replayed_though_its_provider_is_unavailable(api):
    first = await api.post(headers={**KEY, "Prefer": "wait=0"}, processing_mode="immediate")
    await open_breaker(api)
    again = await api.post(headers=KEY, processing_mode="immediate")
    assert (again.status_code, again.json()["queue_id"]) == (202, first.json()["queue_id"])
    assert (await api.post(headers=KEY, processing_mode="immediate", priority=1)).status_code == 503


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb", ["two", "keys"]])
async def test_a_malformed_key_is_refused(api, key):
    sent = [("idempotency-key", one.encode("latin-1")) for one in ([key] if isinstance(key, str) else key)]
    body = {"user_prompt": "p", "callback_topic": "t"}
    problem_of(await api.client.post("/api/v1/comparison", json=body, headers=sent), 422, "LLM_INVALID_CONFIG")
    assert await admitted(api) == 0


async def test_an_idempotency_key_of_any_printable_characters_is_accepted(api):
    for key in ("x", "x" * 255, '"q" ~!,'):
        assert (await api.post(headers={"Idempotency-Key": key}, processing_mode="queue")).status_code == 202
    assert await admitted(api) == 3


async def test_without_redis_a_request_with_an_idempotency_key_is_refused_and_can_be_repeated(redis_server):
    server = redis_server(aof=True)
    async with running_api(settings_of(server.url, door_redis_seconds=0.5)) as api:
        first = await api.post(headers=KEY, processing_mode="queue")
        server.kill()
        for mode in ("queue", "queue_if_unavailable", "immediate"):
            refused = await api.post(headers=KEY, processing_mode=mode)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert "queue_id" not in refused.json()
        server.start()
        await apoll(lambda: not api.dependencies.acceptance.redis_unavailable, what="the API knows that redis is back")
        again = await api.post(headers=KEY, processing_mode="queue")
        assert again.json()["queue_id"] == first.json()["queue_id"]


async def test_a_frozen_redis_does_not_accept_refused_requests_later(redis_server):
    server = redis_server()
    async with running_api(settings_of(server.url, door_redis_seconds=0.5, immediate_wait_seconds=0)) as api:
        for known in (False, True):  # whether anything was learnt of Redis' clock before it froze
            before = await admitted(api)
            server.pause()
            ways = [{"headers": KEY, "processing_mode": "queue"}, {"processing_mode": "immediate"}]
            refused = await asyncio.gather(*(api.post(**way) for way in ways))
            assert [answer.status_code for answer in refused] == [503, 503]
            server.resume()
            await apoll(lambda: redis_is_up(api.dependencies.ledger), what="redis is back")
            assert await admitted(api) == before
            if not known:
                await apoll(lambda: not api.dependencies.acceptance.redis_unavailable, what="the API knows")
                assert (await api.post(headers={"Idempotency-Key": "another"})).status_code == 202
