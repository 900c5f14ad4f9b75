"""Quotas of API keys (cost per day, unfinished requests) at a running API, and the events for a full ledger."""

from dataclasses import replace
from uuid import uuid4

import pytest
from umpire_keys import make_key
from umpire_service import Worker, failure, problem_of, running_api, settings_of
from umpire_worker import Inbox

from contracts.clock import utcnow
from contracts.encoding import loads
from contracts.topics import COST_ALERT, QUEUE_FULL
from devtools.servers import apoll
from ledger.keys import spent
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis


async def test_the_daily_cost_limit_applies_to_its_key_only(redis_url):
    settings = settings_of(redis_url, auth="keys", default_processing_mode="queue")
    poor, rich = await make_key(redis_url, daily_cost=0.4), await make_key(redis_url, daily_cost=100)
    async with running_api(settings) as api, Worker(settings).working():
        # A verdict costs 0.25: what was accepted before the second one ended is judged, what comes then is refused.
        for _ in range(2):
            assert (await api.post(headers=poor.headers)).status_code == 202

        async def both_are_judged() -> bool:
            return bool((await api.dependencies.ledger.stats.today()).cost == 0.5)

        await apoll(both_are_judged)
        for mode in ("queue", "immediate", "queue_if_unavailable"):
            refused = await api.post(headers=poor.headers, processing_mode=mode)
            body = problem_of(refused, 429, "LLM_COST_LIMIT_EXCEEDED")
            assert (body["details"], body["is_retryable"]) == ({"limit": "daily_cost"}, True)
            assert 0 < int(refused.headers["retry-after"]) <= 86_400
        assert (await api.post(headers=rich.headers)).status_code == 202


@pytest.mark.parametrize(("retryable", "status"), [(True, 429), (False, 503)])
async def test_a_waiting_client_sees_whether_the_cost_limit_is_the_keys_or_the_providers(redis_url, retryable, status):
    """The limit of the API key (429) passes by waiting, that of the provider's account (503) does not."""
    settings = settings_of(redis_url)
    judge = failure("LLM_COST_LIMIT_EXCEEDED", is_retryable=retryable, limit="daily_cost")
    async with running_api(settings) as api, Worker(settings, judge).working():
        answer = await api.post()
        assert (answer.status_code, answer.json()["error_code"]) == (status, "LLM_COST_LIMIT_EXCEEDED")
        assert answer.json()["queue_id"]


async def test_spooled_requests_enter_the_ledger_past_the_quota_and_count(redis_server):
    server = redis_server(aof=True)
    key = await make_key(server.url, max_queued=2)
    async with running_api(settings_of(server.url, auth="keys", default_processing_mode="queue")) as api:
        assert (await api.post(headers=key.headers)).status_code == 202
        server.kill()
        for _ in range(3):
            assert (await api.post(headers=key.headers)).status_code == 202
        server.start()
        redis = connect(server.url, timeout=2.0)

        async def drained() -> bool:
            return bool(await redis.hget("umpire:owned", key.id) == b"4")

        await apoll(drained, 20)
        await redis.aclose()
        refused = await api.post(headers=key.headers)
        assert problem_of(refused, 429, "LLM_QUOTA_EXCEEDED")["details"]["limit"] == "max_queued"


@pytest.mark.kafka
async def test_events_for_a_full_ledger_and_for_spending_are_published_without_a_worker(redis_url, kafka_bootstrap):
    settings = settings_of(redis_url, kafka=kafka_bootstrap, ledger={"ledger_max_size": 1})
    prefix = f"t{uuid4().hex[:8]}."
    settings = replace(settings, kafka=settings.kafka.model_copy(update={"topic_prefix": prefix}))
    key = await make_key(redis_url, daily_cost=2)
    redis = connect(redis_url, timeout=2.0)
    await redis.hset(spent(utcnow().date()), key.id, "1.7")
    inboxes = [Inbox(kafka_bootstrap, prefix + topic) for topic in (QUEUE_FULL, COST_ALERT)]
    async with running_api(settings) as api:
        assert (await api.post(processing_mode="queue")).status_code == 202
        problem_of(await api.post(processing_mode="immediate"), 503, "LLM_QUEUE_FULL")
        await apoll(lambda: all(inbox.look() for inbox in inboxes), 30)
    (full,), (alert,) = [[loads(message.value())["data"] for message in inbox.messages] for inbox in inboxes]
    assert full == {"backend": "redis", "size": 1, "max_size": 1}
    assert (alert["current_cost"], alert["threshold"], alert["metadata"]["key_name"]) == (1.7, 1.6, "test")
    assert key.text not in str(alert)
    for inbox in inboxes:
        inbox.close()
    await redis.aclose()
