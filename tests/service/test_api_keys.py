"""UMPIRE_AUTH=keys at a running API: authentication, scopes, request rates, and isolation between owners."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest
from starlette.routing import Route
from umpire_keys import Key, make_key, revoke_key, with_secret
from umpire_ledger import redis_is_up
from umpire_service import Worker, admitted, problem_of, running_api, settings_of

from access.api_key import Scope, new_text
from contracts.clock import utcnow
from contracts.enums import ProcessingMode
from devtools.servers import apoll
from ledger.keys import api_key
from service.routes.scopes import SCOPE_OF
from telemetry.observer import silent
from web.auth import Authentication, RouteScopes

pytestmark = pytest.mark.redis

AUTH = "LLM_AUTHENTICATION_FAILED"
OPEN = {path for (_, path), scope in SCOPE_OF.items() if scope is None}
CLOSED = [
    (method, path.format(queue_id=uuid4(), provider="mock")) for (method, path), scope in SCOPE_OF.items() if scope
]


@pytest.fixture
def settings(redis_url):
    return settings_of(redis_url, immediate_wait_seconds=0, auth="keys")


@pytest.fixture
async def key(redis_url):
    return await make_key(redis_url)


async def test_every_route_but_the_open_ones_needs_a_key(api, key):
    for path in OPEN:
        assert (await api.get(path)).status_code == 200
    for method, path in [*CLOSED, ("GET", "/api/v1/nothing"), ("GET", "/"), ("PUT", "/api/v1/comparison")]:
        answer = await api.client.request(method, path)
        body = problem_of(answer, 401, AUTH)
        assert answer.headers["www-authenticate"] == 'Bearer realm="umpire"'
        assert body["details"] == {"reason": "missing"}
    assert (await api.client.get("/api/v1/nothing", headers=key.headers)).status_code == 404
    assert (await api.client.put("/api/v1/comparison", headers=key.headers)).status_code == 405
    assert (await api.client.get("/api/v1/models", headers=key.headers)).status_code == 200
    assert (await api.post(headers=key.headers)).status_code == 202
    assert await admitted(api) == 1


async def test_unknown_and_revoked_keys_get_the_same_401(api, key, redis_url):
    gone = await make_key(redis_url)
    await revoke_key(redis_url, gone)
    wrong = [new_text() for _ in range(46)] + [with_secret(key.id, "x" * 32), gone.text]
    answers = await asyncio.gather(*(api.post(headers={"authorization": f"Bearer {text}"}) for text in wrong))
    details = {json.dumps(problem_of(answer, 401, AUTH)["details"]) for answer in answers}
    assert details == {'{"reason": "unknown"}'}
    assert {answer.headers["www-authenticate"] for answer in answers} == {
        'Bearer realm="umpire", error="invalid_token"'
    }
    for text in (key.text[:-1], key.text + "a", key.text.swapcase(), "umpire", "é" * 30, "x" * 60_000):
        answer = await api.client.get(
            "/api/v1/models", headers=[(b"authorization", f"Bearer {text}".encode("latin-1"))]
        )
        assert problem_of(answer, 401, AUTH)["details"] == {"reason": "malformed"}
    for header in ("", "Bearer", key.text, f"Basic {key.text}", f"bearer{key.text}"):
        answer = await api.client.get("/api/v1/models", headers={"authorization": header})
        assert problem_of(answer, 401, AUTH)["details"] == {"reason": "missing"}
    twice = [("authorization", f"Bearer {key.text}")] * 2
    assert (await api.client.get("/api/v1/models", headers=twice)).status_code == 401
    assert (await api.client.get("/api/v1/models", headers={"AUTHORIZATION": f"bEARER  {key.text}"})).status_code == 200
    assert await admitted(api) == 0
    notes = repr(list(api.notes))
    metrics = (await api.get("/metrics")).text
    for text in (*wrong, key.text):
        assert text.rpartition("_")[2] not in notes + metrics + "".join(answer.text for answer in answers)
    assert 'llm_provider_key_refusals_total{reason="unknown"} 48.0' in metrics
    assert key.id not in metrics


async def test_a_websocket_does_not_bypass_authentication():
    sent = []

    async def send(message):
        sent.append(message)

    async def behind(scope, receive, send):
        raise AssertionError("let in")

    authentication = Authentication(behind, RouteScopes([], SCOPE_OF), None, 1.0, silent)
    await authentication({"type": "websocket", "path": "/x", "headers": []}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_route_without_a_scope_stops_the_start():
    with pytest.raises(KeyError):
        RouteScopes([Route("/api/v1/new", lambda request: None)], SCOPE_OF)


async def test_a_refusal_does_not_wait_for_the_body(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"POST /api/v1/comparison HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b" 401 " in await reader.readline()
    writer.close()


async def test_a_revocation_holds_at_once_in_every_process(settings, redis_url, key):
    async with running_api(settings) as one, running_api(settings) as two:
        for it in (one, two):
            assert (await it.client.get("/api/v1/models", headers=key.headers)).status_code == 200
        await revoke_key(redis_url, key)
        for it in (one, two):
            assert (await it.client.get("/api/v1/models", headers=key.headers)).status_code == 401


async def test_a_key_may_use_only_the_routes_of_its_scopes(api, redis_url):
    keys = {scope: await make_key(redis_url, scopes=frozenset({scope})) for scope in Scope}
    for (method, template), needed in SCOPE_OF.items():
        if needed is None:
            continue
        path = template.format(queue_id=uuid4(), provider="nobody")
        for scope, key in keys.items():
            answer = await api.client.request(method, path, headers=key.headers)
            if scope is needed:
                assert answer.status_code in {200, 404, 422}, (path, answer.text)
            else:
                body = problem_of(answer, 403, AUTH)
                assert body["details"] == {"reason": "scope", "scope": needed.value}
                assert f'scope="{needed.value}"' in answer.headers["www-authenticate"]


async def test_the_request_rate_is_enforced_and_in_the_headers(settings, redis_url):
    limited = await make_key(redis_url, rate=6, max_queued=50)
    async with running_api(settings) as one, running_api(settings) as two:
        answers = [await (one, two)[n % 2].post(headers=limited.headers) for n in range(8)]
        assert [answer.status_code for answer in answers] == [202] * 6 + [429] * 2
        rates = [answer.headers["ratelimit"] for answer in answers]
        assert [one.partition(";t=")[0] for one in rates] == [f'"request_rate";r={n}' for n in (5, 4, 3, 2, 1, 0, 0, 0)]
        policy = '"request_rate";q=6;w=60, "max_queued";q=50;qu="concurrent-requests"'
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {policy}
        body = problem_of(answers[-1], 429, "LLM_QUOTA_EXCEEDED")
        assert (body["details"], body["is_retryable"]) == ({"limit": "request_rate"}, True)
        wait = int(answers[-1].headers["retry-after"])
        assert 1 <= wait <= 10
        assert rates[-1].endswith(f";t={wait}")
        # Each key has its own limit; answers to a key without limits have no such headers.
        free = await one.post(headers=(await make_key(redis_url)).headers)
        assert free.status_code == 202
        assert not {"ratelimit", "ratelimit-policy"} & set(free.headers)
        metrics = (await one.get("/metrics")).text + (await two.get("/metrics")).text
        assert 'key_refusals_total{reason="request_rate"} 1.0' in metrics


async def test_the_limit_of_unfinished_requests_is_enforced_and_in_the_headers(api, redis_url):
    limited = await make_key(redis_url, max_queued=2)
    assert [(await api.post(headers=limited.headers)).status_code for _ in range(2)] == [202] * 2
    refused = await api.post(headers=limited.headers)
    assert problem_of(refused, 429, "LLM_QUOTA_EXCEEDED")["details"]["limit"] == "max_queued"
    assert refused.headers["ratelimit"] == f'"max_queued";r=0;t={refused.headers["retry-after"]}'
    assert refused.headers["ratelimit-policy"] == '"max_queued";q=2;qu="concurrent-requests"'


async def test_another_keys_comparison_is_answered_like_an_unknown_one(settings, api, redis_url, key):
    stranger = await make_key(redis_url)
    mine, ended = [(await api.post(headers=key.headers)).json()["queue_id"] for _ in range(2)]
    assert (await delete(api, ended, key)).status_code == 200
    unknown = problem_of(await delete(api, uuid4(), stranger), 404, "LLM_INVALID_CONFIG")
    for queue_id in (mine, ended):
        refused = problem_of(await delete(api, queue_id, stranger), 404, "LLM_INVALID_CONFIG")
        assert like(refused) == like(unknown)
    worker = Worker(settings)
    (running,) = await worker.claims.claim(None, more=1)
    assert running.stored.owner == key.id
    refused = problem_of(await delete(api, mine, stranger), 404, "LLM_INVALID_CONFIG")
    assert like(refused) == like(unknown)
    assert (await delete(api, mine, key)).status_code == 409
    assert (await delete(api, ended, key)).status_code == 409
    await worker.redis.aclose()


async def test_another_keys_spooled_comparison_is_answered_like_an_unknown_one(redis_server, monkeypatch):
    server = redis_server(aof=True)
    key, stranger = await make_key(server.url), await make_key(server.url)
    async with running_api(settings_of(server.url, auth="keys", immediate_wait_seconds=0)) as api:
        for one in (key, stranger):
            assert (await api.client.get("/api/v1/models", headers=one.headers)).status_code == 200
        monkeypatch.setattr(api.dependencies.spool, "lease", never)  # nothing is drained
        server.kill()
        queue_id = (await api.post(headers=key.headers)).json()["queue_id"]
        server.start()
        await apoll(lambda: redis_is_up(api.dependencies.ledger), what="redis is back")

        async def looked_up():
            return (await delete(api, uuid4(), stranger)).status_code == 404

        await apoll(looked_up, what="keys are looked up again")
        assert like(problem_of(await delete(api, queue_id, stranger), 404, "LLM_INVALID_CONFIG")) == like(
            problem_of(await delete(api, uuid4(), stranger), 404, "LLM_INVALID_CONFIG")
        )
        assert (await delete(api, queue_id, key)).status_code == 503


async def test_an_idempotency_key_belongs_to_its_owner(api, redis_url, key):
    stranger = await make_key(redis_url)
    same = {"idempotency-key": "one"}
    first, again, other = [(await api.post(headers={**one.headers, **same})) for one in (key, key, stranger)]
    assert first.json()["queue_id"] == again.json()["queue_id"] != other.json()["queue_id"]
    assert "idempotency-replayed" not in other.headers


async def test_a_key_names_only_its_own_callback_topics(redis_url):
    key = await make_key(redis_url, topics=["mine.*", "shared.v?"])
    settings = settings_of(redis_url, auth="keys", immediate_wait_seconds=0, callback_topics=["mine.*", "others.*"])
    async with running_api(settings) as api:
        for topic, status in {
            "mine.results": 202,
            "shared.v1": 422,  # the operator's list does not have it
            "others.results": 422,  # the key's does not
            "__consumer_offsets": 422,
        }.items():
            answer = await api.post(headers=key.headers, callback_topic=topic)
            assert answer.status_code == status, topic
            if status == 422:
                problem_of(answer, 422, "LLM_INVALID_CALLBACK_TOPIC")
        anything = await make_key(redis_url)
        assert (await api.post(headers=anything.headers, callback_topic="others.results")).status_code == 202


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_without_redis_a_known_key_is_served_and_every_answer_comes_in_time(redis_server, way):
    server = redis_server(aof=True)
    known, unknown = await make_key(server.url), await make_key(server.url)
    async with running_api(settings_of(server.url, auth="keys", immediate_wait_seconds=5)) as api:
        assert (await api.client.get("/api/v1/models", headers=known.headers)).status_code == 200
        server.kill() if way == "killed" else server.pause()
        for _ in range(2):  # first while Redis goes away, then when the API knows it
            began = asyncio.get_running_loop().time()
            served, refused, listed, tried, gone = await asyncio.gather(
                asyncio.gather(*(api.post(headers=known.headers) for _ in range(10))),
                asyncio.gather(*(api.post(headers=unknown.headers) for _ in range(10))),
                api.client.get("/api/v1/models", headers=known.headers),
                api.client.get("/api/v1/providers", headers=known.headers),
                delete(api, uuid4(), known),
            )
            assert asyncio.get_running_loop().time() - began < 2
            assert {answer.status_code for answer in served} == {202}
            for answer in (*refused, tried, gone):
                problem_of(answer, 503, "LLM_INTERNAL_ERROR")
                assert int(answer.headers["retry-after"]) >= 1
            assert listed.status_code == 200
        problem_of(await api.post(headers={"authorization": "Bearer umpire_x"}), 401, AUTH)
        metrics = (await api.get("/metrics")).text
        assert 'key_refusals_total{reason="unavailable"} 20.0' in metrics
        server.start() if way == "killed" else server.resume()

        async def is_back():
            return (await api.post(headers=unknown.headers)).status_code == 202

        await apoll(is_back, what="the unknown key is looked up")
        await revoke_key(server.url, known)
        assert (await api.post(headers=known.headers)).status_code == 401

        async def drained():
            return (await api.dependencies.spool.size()).requests == 0

        await apoll(drained, what="the spool has drained")
        bodies = [name async for name in api.dependencies.ledger._redis.scan_iter("umpire:body:*")]
        owners = {json.loads(await api.dependencies.ledger._redis.get(name))["owner"] for name in bodies}
        assert owners == {known.id, unknown.id}


async def test_the_document_shows_the_scope_of_each_route(api):
    document = (await api.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
    for (method, path), scope in SCOPE_OF.items():
        if path == "/openapi.json":
            continue
        operation = document["paths"][path][method.lower()]
        assert operation.get("security") == ([{"api_key": [scope.value]}] if scope else None)
        assert ("401" in operation["responses"]) is (scope is not None)


async def test_a_provider_test_is_owned_by_the_key(settings, redis_url):
    key = await make_key(redis_url, scopes=frozenset({Scope.PROVIDER_TEST}), topics=["mine.*"])
    async with running_api(settings_of(redis_url, immediate_wait_seconds=5, auth="keys")) as api:
        async with Worker(settings).working() as worker:
            answer = await api.client.post("/api/v1/providers/mock/test", headers=key.headers)
        assert answer.json()["ok"] is True
        assert [one.stored.owner for one in worker.seen] == [key.id]
        spent = await api.dependencies.ledger._redis.hget(f"umpire:spent:{utcnow().date().isoformat()}", key.id)
        assert float(spent or 0) >= 0


async def never(_: float) -> bool:
    return False


async def delete(api, queue_id, key: Key):
    return await api.client.delete(f"/api/v1/comparison/{UUID(str(queue_id))}", headers=key.headers)


def like(problem):
    """The problem without the fields that differ from request to request."""
    return {name: value for name, value in problem.items() if name not in {"instance", "timestamp", "correlation_id"}}


async def test_a_keys_own_processing_mode_replaces_the_operators_default(redis_url):
    """For a client that fails comparisons answered 200. The mode in a request takes precedence."""
    waiting = settings_of(redis_url, immediate_wait_seconds=5, auth="keys")
    queueing, plain = await make_key(redis_url, processing_mode=ProcessingMode.QUEUE), await make_key(redis_url)
    async with running_api(waiting) as api, Worker(waiting).working():
        assert (await api.post(headers=queueing.headers)).status_code == 202
        assert (await api.post(headers=plain.headers)).status_code == 200
        assert (await api.post(headers=queueing.headers, processing_mode="immediate")).status_code == 200
        assert (await api.post(headers=plain.headers, processing_mode="queue")).status_code == 202


async def test_a_keys_processing_mode_of_a_newer_version_is_ignored(redis_url, api):
    key = await make_key(redis_url, processing_mode=ProcessingMode.QUEUE)
    await api.dependencies.ledger._redis.hset(api_key(key.id), "mode", "some_day")
    assert (await api.post(headers=key.headers)).status_code == 202


async def test_a_key_sees_its_own_totals_only(settings, api, redis_url):
    ann, ben = await make_key(redis_url), await make_key(redis_url)
    async with Worker(settings).working():
        for _ in range(3):
            await api.post(headers=ann.headers)

        async def totals(key):
            body = (await api.client.get("/api/v1/providers", headers=key.headers)).json()
            return body["total_requests_today"], body["total_cost_today"]

        await apoll(lambda: has_ended(api, 3), what="three are judged")
    assert await totals(ann) == (3, 0.75)
    assert await totals(ben) == (0, 0.0)


async def has_ended(api, requests):
    return (await api.dependencies.ledger.stats.today()).requests == requests
