"""The framework's errors and unexpected errors have the same format as every other problem."""

import asyncio
import json

import pytest
from umpire_service import BODY, SECRET, Stopwatch, problem_of, running_api, settings_of

from contracts.enums import LLMErrorCode
from contracts.errors import CostLimitReached, SpendLimitReached
from web.problem import error_class

pytestmark = pytest.mark.redis


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/api/v1/status/x", "/api/v1/results/x", "/healthz/", "/docs", "/%ff"]
)
async def test_an_unknown_path_is_404(api, path):
    problem = problem_of(await api.get(path), 404, "LLM_INVALID_CONFIG")
    assert problem["title"] == "Not found"
    assert problem["instance"] == path.replace("%ff", "%FF") or problem["instance"] == path


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/v1/comparison", "OPTIONS, POST"),
        ("DELETE", "/api/v1/models", "GET, HEAD, OPTIONS"),
        ("GET", "/api/v1/providers/mock/test", "OPTIONS, POST"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("GET", "/api/v1/comparison/batch", "OPTIONS, POST"),
        ("DELETE", "/api/v1/comparison/batch", "OPTIONS, POST"),
        ("DELETE", "/api/v1/comparison/redeliver", "OPTIONS, POST"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(api, method, path, allow):
    answer = await api.client.request(method, path)
    problem_of(answer, 405, "LLM_INVALID_CONFIG")
    assert answer.headers["allow"] == allow
    options = await api.client.request("OPTIONS", path)
    assert options.status_code == 204
    assert options.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/v1/models", "/api/v1/providers"])
async def test_head_answers_as_get_without_a_body(api, path):
    head, get = await api.client.head(path), await api.get(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_an_unexpected_error_is_a_500_without_its_text(api, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(api.dependencies.admission, "check", broken)
    monkeypatch.setattr(api.dependencies.manifest, "models", broken)
    for answer in (await api.post(), await api.get("/api/v1/models")):
        problem_of(answer, 500, "LLM_INTERNAL_ERROR")
    notes = api.notes.named("error.unexpected")
    assert [note.fields["error"] for note in notes] == ["RuntimeError"] * 2
    assert SECRET not in str(notes)


async def test_an_error_after_acceptance_carries_the_queue_id(api, monkeypatch):
    async def broken(*_):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(api.dependencies.waits, "result", broken)
    answer = await api.post()
    assert answer.status_code == 500
    assert await api.dependencies.ledger.stats.state(answer.json()["queue_id"]) == "queued"


async def test_without_redis_at_the_start_each_route_answers_in_time(redis_server):
    """Routes that need Redis answer a typed 503; the others answer as usual."""
    server = redis_server(aof=True)
    server.kill()
    async with running_api(settings_of(server.url, immediate_wait_seconds=0)) as api:
        with Stopwatch() as watch:
            for mode in ("queue", "queue_if_unavailable"):
                assert (await api.post(processing_mode=mode)).status_code == 202
            answer = await api.post(processing_mode="immediate")
            problem_of(answer, 503, "LLM_PROVIDER_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
            problem_of(await api.get("/api/v1/providers"), 503, "LLM_INTERNAL_ERROR")
            problem_of(await api.client.post("/api/v1/providers/mock/test"), 503, "LLM_INTERNAL_ERROR")
            assert (await api.get("/healthz")).status_code == 200
            assert (await api.get("/api/v1/models")).status_code == 200
        assert watch.seconds < 5
        server.start()
        assert (await api.post()).status_code == 202
        assert not api.notes.named("error.unexpected")


async def test_a_frozen_redis_delays_a_request_by_at_most_its_redis_seconds(redis_server):
    server = redis_server()
    async with running_api(settings_of(server.url, immediate_wait_seconds=0)) as api:
        assert (await api.post()).status_code == 202
        server.pause()
        try:
            with Stopwatch() as watch:
                modes = ["queue", "immediate", "queue_if_unavailable"] * 10
                answers = await asyncio.gather(*[api.post(processing_mode=mode) for mode in modes])
                ready = await api.get("/readyz")
            assert watch.seconds < 4
            assert [answer.status_code for answer in answers] == [202, 503, 202] * 10
            assert ready.status_code == 200
            assert ready.json()["dependencies"]["redis"] == {"state": "down"}
            assert ready.json()["dependencies"]["spool"]["requests"] == 20
        finally:
            server.resume()


async def test_a_client_that_disconnects_while_sending_is_no_error(api):
    for sent in (b"", b"{"):
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(b"POST /api/v1/comparison HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n" + sent)
        await writer.drain()
        writer.close()
    assert (await api.post(processing_mode="queue")).status_code == 202
    assert not api.notes.named("error.unexpected")


async def test_a_body_in_pieces_is_read_whole(api):
    async def pieces():
        for byte in json.dumps(BODY | {"processing_mode": "queue"}).encode():
            yield bytes([byte])

    answer = await api.client.post("/api/v1/comparison", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 202


def test_a_shared_code_belongs_to_the_error_of_the_request_if_nothing_else_is_known() -> None:
    """The limit of the API key (429) and that of the provider's account share a code: the order of the tree decides."""
    code = LLMErrorCode.COST_LIMIT_EXCEEDED
    assert error_class(code) is error_class(code, retryable=True) is CostLimitReached
    assert error_class(code, retryable=False) is SpendLimitReached
