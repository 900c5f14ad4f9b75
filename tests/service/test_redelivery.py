"""Redelivery: the same bytes again for consumers, and the right answer for each state of a comparison."""

import asyncio
from uuid import UUID, uuid4

import pytest
from umpire_keys import make_key
from umpire_ledger import redis_is_up
from umpire_service import PROBLEM_FIELDS, SECRET, Worker, problem_of, running_api, settings_of
from umpire_worker import Inbox

from access.api_key import DEFAULT_SCOPES, Scope
from contracts.topics import result_event_id
from devtools.servers import apoll

pytestmark = pytest.mark.redis

KEEP = {"results_keep_seconds": 3600}
CODE = "LLM_INVALID_CONFIG"


@pytest.fixture
def settings(redis_url):
    return settings_of(redis_url, ledger=KEEP)


async def ended(api, settings, count=1, **fields):
    """Queue ids of comparisons that have a verdict."""
    answers = [await api.post(processing_mode="queue", **fields) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {202}
    worker = Worker(settings)
    while await worker.once():
        pass
    await worker.redis.aclose()
    return [answer.json()["queue_id"] for answer in answers]


async def redeliver(api, queue_id, **headers):
    return await api.client.post(f"/api/v1/comparison/{queue_id}/redeliver", headers=headers)


async def redeliver_all(api, queue_ids, **headers):
    body = {"queue_ids": [str(one) for one in queue_ids]}
    return await api.client.post("/api/v1/comparison/redeliver", json=body, headers=headers)


async def outbox(api):
    rows = await api.dependencies.ledger._redis.xrange("umpire:outbox")
    return [fields for _, fields in rows if b"n" in fields]


def content(message, but=()):
    headers = [(name, value) for name, value in message.headers() if name not in but]
    return message.topic(), message.key(), message.value(), headers


@pytest.mark.kafka
async def test_consumers_get_the_same_bytes_with_the_number_of_the_redelivery(redis_url, kafka_bootstrap):
    topic = f"verdicts.{uuid4().hex}"
    inbox = Inbox(kafka_bootstrap, topic)
    settings = settings_of(redis_url, kafka=kafka_bootstrap, ledger=KEEP)
    async with running_api(settings) as api:
        headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        body = {"processing_mode": "queue", "callback_topic": topic, "metadata": {"note": "Größe 漢字"}}
        queue_id = (await api.post(headers=headers, **body)).json()["queue_id"]
        assert (await api.client.delete(f"/api/v1/comparison/{queue_id}")).status_code == 200
        await inbox.until([queue_id], 20)
        books = await api.dependencies.ledger.stats.books()
        for number in (1, 2):
            answer = await redeliver(api, queue_id)
            assert answer.status_code == 202
            assert answer.json() == {
                "queue_id": queue_id,
                "status": "queued",
                "event_id": str(result_event_id(queue_id)),
                "redelivery": number,
                "callback_topic": topic,
                "message": f"The result will be published again on {topic}",
            }
            assert SECRET not in answer.text
        assert (await redeliver_all(api, [queue_id])).json()["items"][0]["redelivery"] == 3
        first, *others = await apoll(lambda: len(inbox.look()) == 4 and inbox.look(), 20, what="three redeliveries")
        assert [dict(one.headers()).get("redelivery") for one in (first, *others)] == [None, b"1", b"2", b"3"]
        assert {str(content(one, but=("redelivery",))) for one in others} == {str(content(first))}
        assert dict(first.headers())["event_id"] == str(result_event_id(queue_id)).encode()
        assert dict(first.headers())["traceparent"]

        async def confirmed():
            return (await api.dependencies.ledger.stats.sizes()).outbox == 0

        await apoll(confirmed, what="the outbox is empty")
        assert await api.dependencies.ledger.stats.books() == books
    inbox.close()


@pytest.mark.kafka
async def test_an_accepted_redelivery_is_published_although_the_api_dies(redis_url, kafka_bootstrap):
    topic = f"verdicts.{uuid4().hex}"
    inbox = Inbox(kafka_bootstrap, topic)
    async with running_api(settings_of(redis_url, ledger=KEEP)) as api:  # without Kafka: it publishes nothing
        (queue_id,) = await ended(api, api.settings, callback_topic=topic)
        assert (await redeliver(api, queue_id)).status_code == 202
    async with running_api(settings_of(redis_url, kafka=kafka_bootstrap)):
        await apoll(lambda: any(dict(one.headers()).get("redelivery") == b"1" for one in inbox.look()), 30)
    inbox.close()


async def test_it_starts_no_call(settings, api):
    (queue_id,) = await ended(api, settings)
    assert (await redeliver(api, queue_id)).status_code == 202
    redis = api.dependencies.ledger._redis
    assert await redis.zcard("umpire:expiry") == 0
    assert [key async for key in redis.scan_iter("umpire.*")] == []
    assert (await redis.hget(f"umpire:req:{queue_id}", "s")) == b"completed"


async def test_an_unknown_or_malformed_queue_id_is_404_or_422(api):
    problem_of(await redeliver(api, uuid4()), 404, CODE)
    for malformed in ("1", "not-a-uuid", "%00"):
        problem_of(await redeliver(api, malformed), 422, CODE)


async def test_an_unfinished_comparison_is_409_with_its_state(settings, api):
    queue_id = (await api.post(processing_mode="queue")).json()["queue_id"]
    assert problem_of(await redeliver(api, queue_id), 409, CODE)["details"] == {"state": "queued"}
    worker = Worker(settings)
    await worker.claims.claim(None, more=1)
    assert problem_of(await redeliver(api, queue_id), 409, CODE)["details"] == {"state": "processing"}
    await worker.redis.hset(f"umpire:req:{queue_id}", "s", "batched")
    assert problem_of(await redeliver(api, queue_id), 409, CODE)["details"] == {"state": "batched"}
    await worker.redis.aclose()


async def test_a_spooled_comparison_is_409(redis_server, monkeypatch):
    server = redis_server(aof=True)
    async with running_api(settings_of(server.url, ledger=KEEP)) as api:

        async def never(seconds):
            return False

        monkeypatch.setattr(api.dependencies.spool, "lease", never)  # nothing is drained
        server.kill()
        queue_id = (await api.post(processing_mode="queue")).json()["queue_id"]
        server.start()
        await apoll(lambda: redis_is_up(api.dependencies.ledger), what="redis is back")
        assert problem_of(await redeliver(api, queue_id), 409, CODE)["details"] == {"state": "queued"}


async def test_a_result_that_is_not_kept_any_more_is_410(settings, api):
    (queue_id,) = await ended(api, settings)
    await api.dependencies.ledger._redis.delete(f"umpire:result:{queue_id}")
    body = problem_of(await redeliver(api, queue_id), 410, CODE)
    assert body["details"] == {"keep_seconds": 3600}
    assert not body["is_retryable"]


async def test_a_result_of_a_process_that_keeps_none_is_410(settings, api):
    """Such as of a process of an older version, or with another setting."""
    (queue_id,) = await ended(api, settings_of(settings.redis.redis_url.get_secret_value()))
    problem_of(await redeliver(api, queue_id), 410, CODE)


async def test_where_no_results_are_kept_the_problem_names_the_setting(redis_url):
    async with running_api(settings_of(redis_url)) as api:
        (queue_id,) = await ended(api, api.settings)
        assert "UMPIRE_RESULTS_KEEP_SECONDS" in problem_of(await redeliver(api, queue_id), 410, CODE)["detail"]


async def test_a_result_outlives_its_record(settings, api):
    (queue_id,) = await ended(api, settings)
    await api.dependencies.ledger._redis.delete(f"umpire:req:{queue_id}")
    assert (await redeliver(api, queue_id)).status_code == 202
    await api.dependencies.ledger._redis.delete(f"umpire:result:{queue_id}")
    problem_of(await redeliver(api, queue_id), 404, CODE)


async def test_rows_of_a_newer_version_are_409(settings, api):
    redis = api.dependencies.ledger._redis
    queue_ids = await ended(api, settings, 4)
    await redis.delete(*(f"umpire:result:{one}" for one in queue_ids[:2]))
    await redis.set(f"umpire:result:{queue_ids[0]}", "packed")
    await redis.hset(f"umpire:result:{queue_ids[1]}", mapping={"z": "compressed", "w": ""})
    await redis.delete(f"umpire:req:{queue_ids[2]}")
    await redis.set(f"umpire:req:{queue_ids[2]}", "packed")
    for queue_id in queue_ids[:3]:
        problem_of(await redeliver(api, queue_id), 409, CODE)
    answer = await redeliver_all(api, queue_ids)
    assert answer.status_code == 207
    assert [(one["error"] or {}).get("status") for one in answer.json()["items"]] == [409, 409, 409, None]
    assert not api.notes.named("error.unexpected")


async def test_of_many_each_has_its_outcome(settings, api):
    good, other = await ended(api, settings, 2)
    waiting = (await api.post(processing_mode="queue")).json()["queue_id"]
    gone = str(uuid4())
    answer = await redeliver_all(api, [good, waiting, gone, other])
    body = answer.json()
    assert (answer.status_code, body["accepted"], body["refused"]) == (207, 2, 2)
    assert body["message"] == "2 of 4 results will be published again"
    assert [one["index"] for one in body["items"]] == [0, 1, 2, 3]
    assert [one["queue_id"] for one in body["items"]] == [good, waiting, gone, other]
    assert [one["status"] for one in body["items"]] == ["queued", None, None, "queued"]
    assert [one["redelivery"] for one in body["items"]] == [1, None, None, 1]
    assert [(one["error"] or {}).get("status") for one in body["items"]] == [None, 409, 404, None]
    assert body["items"][1]["error"].keys() >= PROBLEM_FIELDS
    assert sorted(fields[b"i"].decode() for fields in await outbox(api)) == sorted([good, other])
    assert (await redeliver_all(api, [good, other])).status_code == 202


async def test_if_none_can_be_redelivered_it_is_a_problem_with_the_items(api):
    answer = await redeliver_all(api, [uuid4(), uuid4()])
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert [one["error"]["status"] for one in body["items"]] == [404, 404]
    first = body["items"][0]["error"]["detail"]
    assert body["detail"] == f"none of the 2 results will be published again; the first one: {first}"
    refused = await redeliver_all(api, [uuid4() for _ in range(20)])
    assert len({one["error"]["correlation_id"] for one in refused.json()["items"]}) == 1


async def test_a_wrong_body_is_a_problem_and_redelivers_nothing(settings, api):
    (queue_id,) = await ended(api, settings)
    wrong = [
        {}, [], {"queue_ids": []}, {"queue_ids": queue_id}, {"queue_ids": ["x"]}, {"queue_ids": [queue_id], "a": "b"},
        {"queue_ids": [queue_id, queue_id.upper()]}, {"queue_ids": [str(uuid4()) for _ in range(201)]},
    ]  # fmt: skip
    for body in wrong:
        problem_of(await api.client.post("/api/v1/comparison/redeliver", json=body), 422, CODE)
    problem_of(await api.client.post("/api/v1/comparison/redeliver", content=b"{"), 422, CODE)
    problem_of(
        await api.client.post("/api/v1/comparison/redeliver", content=b" " * 70_000), 413, "LLM_CONTENT_TOO_LONG"
    )
    typed = {"content-type": "text/plain"}
    assert (await api.client.post("/api/v1/comparison/redeliver", content=b"{}", headers=typed)).status_code == 415
    assert await outbox(api) == []
    assert (await redeliver_all(api, [f"urn:uuid:{queue_id}"])).status_code == 202
    assert (await redeliver_all(api, [uuid4() for _ in range(200)])).status_code == 404


async def test_an_idempotency_key_redelivers_once_and_tries_again_what_was_refused(settings, api):
    good, other = await ended(api, settings, 2)
    key = {"idempotency-key": "once"}
    answers = [await redeliver(api, good, **key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert {answer.json()["redelivery"] for answer in answers} == {1}
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
    problem_of(await redeliver(api, other, **key), 422, "LLM_IDEMPOTENCY_CONFLICT")
    assert len(await outbox(api)) == 1
    # The same key for many is another request.
    waiting = (await api.post(processing_mode="queue")).json()["queue_id"]
    first = await redeliver_all(api, [good, waiting], **key)
    assert (first.status_code, first.json()["items"][0]["redelivery"]) == (207, 2)
    assert (await api.client.delete(f"/api/v1/comparison/{waiting}")).status_code == 200
    again = await redeliver_all(api, [good, waiting], **key)
    assert (again.status_code, [one["redelivery"] for one in again.json()["items"]]) == (202, [2, 1])
    assert "idempotency-replayed" not in again.headers
    assert (await redeliver_all(api, [good, waiting], **key)).headers["idempotency-replayed"] == "true"
    assert len(await outbox(api)) == 3
    for wrong in ("", "é" * 3, "x" * 300):
        assert (await redeliver(api, good, **{"idempotency-key": wrong.encode()})).status_code == 422


async def test_concurrent_repetitions_with_a_key_redeliver_once(settings, api):
    (queue_id,) = await ended(api, settings)
    answers = await asyncio.gather(*(redeliver(api, queue_id, **{"idempotency-key": "k"}) for _ in range(20)))
    assert {(answer.status_code, answer.json()["redelivery"]) for answer in answers} == {(202, 1)}
    assert len(await outbox(api)) == 1


async def test_another_keys_comparison_is_answered_like_an_unknown_one(redis_url):
    mine, stranger = await make_key(redis_url), await make_key(redis_url)
    settings = settings_of(redis_url, auth="keys", ledger=KEEP)
    async with running_api(settings) as api:
        (queue_id,) = await ended(api, settings, headers=mine.headers)
        waiting = (await api.post(processing_mode="queue", headers=mine.headers)).json()["queue_id"]
        unknown = problem_of(await redeliver(api, uuid4(), **stranger.headers), 404, CODE)
        redis = api.dependencies.ledger._redis
        for target in (queue_id, waiting):
            refused = problem_of(await redeliver(api, target, **stranger.headers), 404, CODE)
            assert (refused["detail"], refused["details"]) == (unknown["detail"], unknown["details"])
        await redis.delete(f"umpire:req:{queue_id}")
        problem_of(await redeliver(api, queue_id, **stranger.headers), 404, CODE)
        assert (await redeliver_all(api, [queue_id], **stranger.headers)).status_code == 404
        assert (await redeliver(api, queue_id, **mine.headers)).status_code == 202
        # Each caller has its own Idempotency-Keys.
        for key, status in ((mine, 202), (stranger, 404)):
            assert (await redeliver(api, queue_id, **key.headers, **{"idempotency-key": "k"})).status_code == status


async def test_the_key_needs_the_scope_and_still_the_topic(redis_url):
    without = await make_key(redis_url, scopes=DEFAULT_SCOPES - {Scope.REDELIVER})
    key = await make_key(redis_url)
    settings = settings_of(redis_url, auth="keys", ledger=KEEP)
    async with running_api(settings) as api:
        (queue_id,) = await ended(api, settings, headers=key.headers)
        body = problem_of(await redeliver(api, queue_id, **without.headers), 403, "LLM_AUTHENTICATION_FAILED")
        assert body["details"]["scope"] == "comparisons:redeliver"
        await api.dependencies.ledger._redis.hset(f"umpire:apikey:{key.id}", "topics", "other.*")
        problem_of(await redeliver(api, queue_id, **key.headers), 422, "LLM_INVALID_CALLBACK_TOPIC")
        assert await outbox(api) == []


async def test_the_rate_of_the_key_is_enforced(redis_url):
    limited = await make_key(redis_url, rate=3)
    async with running_api(settings_of(redis_url, auth="keys", ledger=KEEP)) as api:
        answers = [await redeliver(api, uuid4(), **limited.headers) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [404, 404, 404, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1


async def test_many_count_as_as_many_requests_of_the_rate(redis_url):
    limited = await make_key(redis_url, rate=10)
    async with running_api(settings_of(redis_url, auth="keys", ledger=KEEP)) as api:
        assert (await redeliver_all(api, [uuid4() for _ in range(7)], **limited.headers)).status_code == 404
        refused = await redeliver_all(api, [uuid4() for _ in range(4)], **limited.headers)
        assert problem_of(refused, 429, "LLM_QUOTA_EXCEEDED")["details"]["limit"] == "request_rate"
        assert int(refused.headers["retry-after"]) >= 1
        assert (await redeliver_all(api, [uuid4()], **limited.headers)).status_code == 404


async def test_while_too_many_results_wait_for_kafka_it_is_503(redis_url):
    settings = settings_of(redis_url, ledger={**KEEP, "ledger_max_size": 20})
    async with running_api(settings) as api:
        queue_ids = await ended(api, settings, 2)
        refused = await redeliver(api, queue_ids[0])
        assert problem_of(refused, 503, "LLM_QUEUE_FULL")["is_retryable"]
        assert int(refused.headers["retry-after"]) >= 1


async def test_without_redis_it_is_503(redis_server):
    server = redis_server(aof=True)
    async with running_api(settings_of(server.url, door_redis_seconds=0.5, ledger=KEEP)) as api:
        (queue_id,) = await ended(api, api.settings)
        server.pause()
        for refused in (await redeliver(api, queue_id), await redeliver_all(api, [queue_id])):
            assert problem_of(refused, 503, "LLM_INTERNAL_ERROR")["is_retryable"]
            assert int(refused.headers["retry-after"]) >= 1
        server.resume()
        await apoll(lambda: redis_is_up(api.dependencies.ledger), what="redis is back")
        assert (await redeliver(api, queue_id)).status_code == 202


async def test_it_is_logged_and_counted_without_ids(settings, api):
    queue_ids = await ended(api, settings, 3)
    await redeliver_all(api, [*queue_ids, uuid4()])
    (note,) = api.notes.named("results.redelivered")
    assert note.value == 3
    metrics = (await api.get("/metrics")).text
    assert "llm_provider_redeliveries_total 3.0" in metrics
    assert "llm_provider_results_kept 3.0" in metrics
    kept = next(line for line in metrics.splitlines() if line.startswith("llm_provider_results_kept_bytes"))
    assert 3_000 < float(kept.split()[-1]) < 9_000
    assert UUID(queue_ids[0]).hex not in metrics.replace("-", "")
