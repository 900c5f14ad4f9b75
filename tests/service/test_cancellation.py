"""DELETE: cancels a comparison that has not started, for topic, waiting client and workers; any other is a 409."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from umpire_ledger import redis_is_up
from umpire_service import BODY, SECRET, Worker, admitted, problem_of, running_api, settings_of
from umpire_worker import Inbox

from contracts.topics import QUEUE_STATUS, result_event_id
from devtools.servers import apoll

pytestmark = pytest.mark.redis


async def queued(api, **fields):
    answer = await api.post(processing_mode="queue", **fields)
    assert answer.status_code == 202
    return answer.json()["queue_id"]


async def delete(api, queue_id):
    return await api.client.delete(f"/api/v1/comparison/{queue_id}")


@pytest.mark.kafka
async def test_a_cancellation_is_published_at_once_on_callback_and_status_topic(redis_url, kafka_bootstrap):
    prefix, topic, correlation_id = f"t{uuid4().hex[:8]}.", f"verdicts.{uuid4().hex}", uuid4()
    settings = settings_of(redis_url, kafka=kafka_bootstrap)
    settings = replace(settings, kafka=settings.kafka.model_copy(update={"topic_prefix": prefix}))
    results, statuses = Inbox(kafka_bootstrap, topic), Inbox(kafka_bootstrap, prefix + QUEUE_STATUS)
    async with running_api(settings) as api:
        fields = {"callback_topic": topic, "correlation_id": str(correlation_id), "metadata": {"essay_a_id": "a"}}
        queue_id = await queued(api, **fields)
        answer = await delete(api, queue_id)
        assert answer.status_code == 200
        assert answer.json()["queue_id"] == queue_id
        assert answer.json()["status"] == "cancelled"
        (event,) = (await results.until([queue_id], 20)).values()
        assert event.event_id == result_event_id(queue_id)
        error = event.data.error_detail
        assert (error.error_code, error.details["reason"]) == ("LLM_INTERNAL_ERROR", "LLM_REQUEST_CANCELLED")
        assert (event.correlation_id, event.data.request_metadata["essay_a_id"]) == (correlation_id, "a")
        assert len(event.data.request_metadata["prompt_sha256"]) == 64
        assert SECRET not in event.model_dump_json()

        def status_event():
            return [e["data"] for e in statuses.events if e["data"]["event"] == "QUEUE_REQUEST_CANCELLED"]

        (status,) = await apoll(status_event, 20, what="the status event")
        assert (status["queue_id"], status["status"]) == (queue_id, "cancelled")

        async def confirmed():
            return (await api.dependencies.ledger.stats.sizes()).outbox == 0

        await apoll(confirmed, what="the outbox is empty")
    results.close()
    statuses.close()


async def test_a_waiting_client_gets_409_when_its_comparison_is_cancelled(api):
    waiting = asyncio.create_task(api.post())
    await apoll(lambda: admitted(api), what="it is admitted")
    (name,) = await api.dependencies.ledger._redis.keys("umpire:req:*")
    queue_id = name.decode().rpartition(":")[2]
    assert (await delete(api, queue_id)).status_code == 200
    answer = await waiting
    assert (answer.status_code, answer.json()["error_code"]) == (409, "LLM_REQUEST_CANCELLED")
    assert answer.json()["queue_id"] == queue_id
    assert not answer.json()["is_retryable"]


async def test_no_worker_runs_a_cancelled_comparison_and_its_text_is_deleted(settings, api):
    kept, gone = await queued(api), await queued(api)
    assert (await delete(api, gone)).status_code == 200
    assert await admitted(api) == 1
    worker = Worker(settings)
    assert [str(one.stored.queue_id) for one in await worker.once()] == [kept]
    record = await worker.redis.hgetall(f"umpire:req:{gone}")
    assert not await worker.redis.exists(f"umpire:body:{gone}")
    assert SECRET.encode() not in b"".join(record.values())
    await worker.redis.aclose()


async def test_cancelling_a_started_or_ended_comparison_is_409_with_its_state(settings, api):
    queue_id = await queued(api)
    worker = Worker(settings)
    (claimed,) = await worker.claims.claim(None, more=1)
    body = problem_of(await delete(api, queue_id), 409, "LLM_INVALID_CONFIG")
    assert body["details"] == {"state": "processing"}
    assert body["correlation_id"] == str(claimed.stored.correlation_id)
    cancelled = await queued(api)
    assert (await delete(api, cancelled)).status_code == 200
    again = problem_of(await delete(api, cancelled), 409, "LLM_INVALID_CONFIG")
    assert again["details"] == {"state": "cancelled"}
    await worker.redis.aclose()


async def test_concurrent_cancellations_and_a_claim_end_a_comparison_once(settings, api):
    queue_id = await queued(api)
    async with Worker(settings).working() as worker:
        answers = await asyncio.gather(*(delete(api, queue_id) for _ in range(20)))

        async def ended():
            return await api.dependencies.ledger.stats.state(UUID(queue_id)) in {"cancelled", "completed"}

        await apoll(ended, what="it has ended")
        cancelled = [answer for answer in answers if answer.status_code == 200]
        assert len(cancelled) + len(worker.seen) == 1
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert await worker.redis.xlen("umpire:outbox") == 1


async def test_cancelling_an_unknown_or_malformed_queue_id_is_404_or_422(api):
    problem_of(await delete(api, uuid4()), 404, "LLM_INVALID_CONFIG")
    for malformed in ("1", "not-a-uuid", "%00", "x" * 2000):
        problem_of(await delete(api, malformed), 422, "LLM_INVALID_CONFIG")
    assert (await api.get(f"/api/v1/comparison/{uuid4()}")).status_code == 405


async def test_cancelling_without_redis_is_503(redis_server):
    server = redis_server(aof=True)
    async with running_api(settings_of(server.url, door_redis_seconds=0.5)) as api:
        queue_id = await queued(api, **BODY)
        server.pause()
        refused = await delete(api, queue_id)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        server.resume()
        await apoll(lambda: redis_is_up(api.dependencies.ledger), what="redis is back")
        assert (await delete(api, queue_id)).status_code in {200, 409}
        assert await api.dependencies.ledger.stats.state(UUID(queue_id)) == "cancelled"


async def test_cancelling_a_spooled_comparison_is_503_not_404(redis_server):
    server = redis_server(aof=True)
    server.kill()
    async with running_api(settings_of(server.url)) as api:
        queue_id = await queued(api)
        server.start()
        answers = [await delete(api, queue_id)]
        while answers[-1].status_code == 503 and len(answers) < 100:
            await asyncio.sleep(0.05)
            answers.append(await delete(api, queue_id))
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert answers[-1].status_code == 200
