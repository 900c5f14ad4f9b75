"""Without a live worker the API does the maintenance: requests expire, and results reach Kafka. With one, the worker
does it.
"""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from umpire_service import SECRET, Worker, running_api, settings_of
from umpire_worker import Inbox

from contracts.encoding import loads
from contracts.settings import WorkerSettings
from devtools.servers import apoll
from ledger.sweeps import Sweeps

pytestmark = pytest.mark.redis


async def queued(api):
    return (await api.post(processing_mode="queue", metadata={"essay_a_id": "a"})).json()["queue_id"]


async def test_without_a_worker_the_api_expires_requests(settings, api):
    late, in_time = [await queued(api) for _ in range(2)]
    redis = Worker(settings).redis
    await redis.zadd("umpire:expiry", {late: 1}, xx=True)

    async def expired():
        return await api.dependencies.ledger.stats.state(UUID(late)) == "expired"

    await apoll(expired, what="it has expired")
    assert await api.dependencies.ledger.stats.state(UUID(in_time)) == "queued"
    ((_, entry),) = await redis.xrange("umpire:outbox")
    result = loads(entry[b"e"])["data"]
    assert (entry[b"i"].decode(), result["request_metadata"]["essay_a_id"]) == (late, "a")
    error = result["error_detail"]
    assert (error["error_code"], error["details"]["reason"]) == ("LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED")
    assert SECRET.encode() not in entry[b"e"]
    (note,) = await apoll(lambda: api.notes.named("comparison.failed"), what="its log line")
    assert (note.level, note.fields["queue_id"], note.labels["status"]) == ("info", late, "expired")
    assert SECRET not in str(note)
    await redis.aclose()


@pytest.mark.parametrize("who", ["worker", "another API"])
async def test_the_api_leaves_maintenance_to_a_live_worker_or_another_api(settings, api, who):
    worker = Worker(settings)
    other = Sweeps(worker.redis, settings.ledger, owner="other")
    if who == "another API":
        await worker.redis.set("umpire:custodian", "other", px=5_000)
    else:
        await worker.claims.renew([], [])

    async def left():
        return not api.dependencies.maintenance.loop.holds

    await apoll(left, what="the API sees it")
    queue_id = await queued(api)
    await worker.redis.zadd("umpire:expiry", {queue_id: 1}, xx=True)
    await (other.hold_lock() if who == "another API" else worker.claims.renew([], []))
    await api.dependencies.maintenance.loop.run_once()
    assert await api.dependencies.ledger.stats.state(UUID(queue_id)) == "queued"
    await (other.release_lock() if who == "another API" else worker.claims.leave())

    async def expired():
        return await api.dependencies.ledger.stats.state(UUID(queue_id)) == "expired"

    await apoll(expired, what="the API has taken over")
    await worker.redis.aclose()


async def test_a_dead_workers_claims_end_in_time_without_another_worker(redis_url):
    """The lease lapses, the request returns to the queue, and then it expires."""
    settings = settings_of(redis_url, ledger={"lease_seconds": 1})
    worker = Worker(settings)
    async with running_api(settings) as api:
        queue_id = await queued(api)
        (claimed,) = await worker.claims.claim(None, more=1)
        assert str(claimed.stored.queue_id) == queue_id
        await worker.redis.zadd("umpire:expiry", {queue_id: 1}, xx=True)

        async def expired():
            return await api.dependencies.ledger.stats.state(UUID(queue_id)) == "expired"

        await apoll(expired, what="it has expired")
    await worker.redis.aclose()


@pytest.mark.kafka
async def test_results_that_dead_workers_left_reach_kafka(redis_url, kafka_bootstrap):
    """The worker died after it ended the request and before Kafka had the event."""
    settings = settings_of(redis_url, kafka=kafka_bootstrap)
    settings = replace(settings, worker=WorkerSettings(outbox_resend_seconds=1))
    worker = Worker(settings)
    topic = f"answers.{uuid4().hex}"
    async with running_api(settings) as api:
        queue_id = (await api.post(processing_mode="queue", callback_topic=topic)).json()["queue_id"]
        assert await worker.once()

        async def confirmed():
            return not await worker.redis.xlen("umpire:outbox")

        await apoll(confirmed, what="Kafka has confirmed it")
        assert await api.dependencies.ledger.stats.state(UUID(queue_id)) == "completed"
    inbox = Inbox(kafka_bootstrap, topic)
    assert await inbox.until([queue_id])
    await worker.redis.aclose()


@pytest.mark.kafka
async def test_an_api_without_a_producer_reports_it_and_leaves_results_to_another(redis_url, kafka_bootstrap, tmp_path):
    """Its /readyz names the error. It still accepts requests, because it needs no Kafka for that."""
    topic = f"stand.in.{uuid4().hex}"
    unable = {"kafka_security_protocol": "ssl", "kafka_ssl_ca_location": str(tmp_path / "missing.pem")}
    settings = settings_of(redis_url, kafka=kafka_bootstrap)
    sick = replace(settings, kafka=settings.kafka.model_copy(update=unable))
    async with running_api(sick) as first:
        kafka = {"state": "down", "producer_error": "_INVALID_ARG"}
        ready = await first.get("/readyz")
        assert (ready.status_code, ready.json()["dependencies"]["kafka"]) == (200, kafka)
        await apoll(lambda: first.dependencies.maintenance.loop.holds, what="it is the custodian")
        late = (await first.post(processing_mode="queue", callback_topic=topic)).json()["queue_id"]
        redis = Worker(settings).redis
        await redis.zadd("umpire:expiry", {late: 1}, xx=True)
        await apoll(lambda: redis.xlen("umpire:outbox"), what="it has ended the request")
        async with running_api(settings_of(redis_url, kafka=kafka_bootstrap)) as second:
            inbox = Inbox(kafka_bootstrap, topic)
            await inbox.until([late], 15)
            inbox.close()
            assert first.dependencies.maintenance.loop.holds
            assert (await second.get("/readyz")).json()["dependencies"]["kafka"] == {"state": "up"}
        await redis.aclose()
