"""GET models and providers, a provider's test, health, readiness, metrics, OpenAPI."""

import asyncio

import pytest
from umpire_events import read
from umpire_service import (
    MOCK,
    SECRET,
    Stopwatch,
    Worker,
    admitted,
    failure,
    open_breaker,
    problem_of,
    running_api,
    settings_of,
)

from contracts.encoding import loads
from contracts.http import HealthCheckResponse, LLMProviderListResponse, ModelManifestResponse, ProviderTestResponse
from devtools.servers import apoll
from events.topics import ensure_topic

pytestmark = pytest.mark.redis


async def test_models_are_grouped_by_provider_without_the_mock(api):
    body = (await api.get("/api/v1/models")).json()
    manifest = ModelManifestResponse.model_validate(body)
    assert set(manifest.providers) == {"anthropic", "openai", "google", "openrouter"}
    assert manifest.total_models == sum(map(len, manifest.providers.values())) > 0
    assert not any(model.is_deprecated for group in manifest.providers.values() for model in group)
    more = (await api.get("/api/v1/models", include_deprecated="true")).json()
    assert more["total_models"] > body["total_models"]


async def test_models_of_one_provider(api):
    assert set((await api.get("/api/v1/models", provider="mock")).json()["providers"]) == {"mock"}
    problem = problem_of(await api.get("/api/v1/models", provider="nobody"), 422, "LLM_INVALID_CONFIG")
    for name in ("anthropic", "openai", "google", "openrouter", "mock"):
        assert name in problem["detail"]


async def test_providers_show_the_breaker_and_totals_that_workers_recorded(settings, api):
    body = (await api.get("/api/v1/providers")).json()
    listed = LLMProviderListResponse.model_validate(body)
    assert {one.name for one in listed.providers if one.enabled} == {MOCK}
    assert all(one.available == one.enabled for one in listed.providers)
    assert listed.default_provider is MOCK
    assert listed.total_requests_today == 0
    async with Worker(settings).working():
        await api.post()
    await open_breaker(api)
    listed = LLMProviderListResponse.model_validate((await api.get("/api/v1/providers")).json())
    (mock,) = (one for one in listed.providers if one.name is MOCK)
    assert not mock.available
    assert mock.circuit_breaker_state == "open"
    assert mock.failure_count == settings.breaker_volume
    assert mock.last_failure is not None
    assert (listed.total_requests_today, listed.total_cost_today) == (1, 0.25)


async def test_a_provider_test_is_judged_by_a_worker(settings, api):
    async with Worker(settings).working() as worker:
        answer = await api.client.post("/api/v1/providers/mock/test")
    result = ProviderTestResponse.model_validate(answer.json())
    assert (answer.status_code, result.ok, result.provider) == (200, True, MOCK)
    (claimed,) = worker.seen
    assert claimed.stored.request.callback_topic == "huleedu.llm_provider.comparison_result.v1"
    assert claimed.stored.model == result.model
    async with Worker(settings, failure("LLM_CONFIGURATION_ERROR")).working():
        result = (await api.client.post("/api/v1/providers/mock/test")).json()
    assert (result["ok"], result["error_code"]) == (False, "LLM_CONFIGURATION_ERROR")


async def test_a_provider_test_without_a_worker_times_out(redis_url):
    async with running_api(settings_of(redis_url, immediate_wait_seconds=0.2)) as api:
        result = (await api.client.post("/api/v1/providers/mock/test")).json()
        assert (result["ok"], result["error_code"]) == (False, "LLM_PROVIDER_TIMEOUT")


async def test_a_provider_test_of_an_unavailable_provider_is_refused(api):
    problem_of(await api.client.post("/api/v1/providers/nobody/test"), 422, "LLM_INVALID_CONFIG")
    problem_of(await api.client.post("/api/v1/providers/openai/test"), 422, "LLM_INVALID_CONFIG")
    await open_breaker(api)
    answer = await api.client.post("/api/v1/providers/mock/test")
    problem_of(answer, 503, "LLM_PROVIDER_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1
    assert await admitted(api) == 0


async def test_healthz_asks_no_other_server(redis_server):
    server = redis_server()
    server.kill()
    async with running_api(settings_of(server.url)) as api:
        answer = await api.get("/healthz")
        assert answer.status_code == 200
        HealthCheckResponse.model_validate(answer.json())


async def test_readyz_shows_the_state_of_each_dependency(settings, api):
    worker = Worker(settings)
    await worker.claims.renew([], [])
    with Stopwatch() as watch:
        answer = await api.get("/readyz")
    await worker.redis.aclose()
    assert answer.status_code == 200
    assert watch.seconds < 3
    ready = HealthCheckResponse.model_validate(answer.json())
    assert ready.dependencies["redis"]["state"] == "up"
    assert ready.dependencies["kafka"] == {"state": "down"}
    assert ready.dependencies["providers"] == {"mock": {"workers": 1, "state": "closed", "hold": None}}


@pytest.mark.kafka
async def test_readyz_warns_of_a_missing_dead_letter_topic(redis_url, kafka_server):
    kafka = settings_of(redis_url, kafka=kafka_server(auto_create_topics_enable="false").bootstrap)
    async with running_api(kafka) as api:

        async def warns(warnings):
            answer = await api.get("/readyz")
            assert answer.status_code == 200
            found = answer.json()["dependencies"]["kafka"]
            assert found["state"] == "up"
            return found.get("warnings", []) == warnings

        topic = "huleedu.llm_provider.callback_dead_letter.v1"
        missing = f"the topic {topic} does not exist, and Kafka does not create it automatically"
        text = f"{missing}: copies of dead letters are lost. Create it with `umpire topics`."
        await apoll(lambda: warns([text]), 10, what="the warning")
        assert await asyncio.to_thread(ensure_topic, kafka.kafka, topic)
        await apoll(lambda: warns([]), 20, every=0.5, what="the warning is over")


@pytest.mark.kafka
async def test_with_kafka_readyz_shows_it_up_and_the_queued_event_is_published(redis_url, kafka_bootstrap):
    async with running_api(settings_of(redis_url, kafka=kafka_bootstrap)) as api:
        assert (await api.get("/readyz")).json()["dependencies"]["kafka"] == {"state": "up"}
        queued = (await api.post(processing_mode="queue")).json()
        topic = "huleedu.llm_provider.queue_status.v1"
        messages = await asyncio.to_thread(read, kafka_bootstrap, topic, 1)
        events = [loads(message.value())["data"] for message in messages]
        (event,) = (event for event in events if event["queue_id"] == queued["queue_id"])
        assert (event["status"], event["event"]) == ("queued", "QUEUE_REQUEST_QUEUED")
        assert not any(SECRET.encode() in message.value() for message in messages)


async def test_metrics_hold_figures_of_the_process_and_of_shared_state(api):
    await api.post(processing_mode="queue")
    await api.post(b"{}")
    text = (await api.get("/metrics")).text
    assert 'llm_provider_queue_depth{provider="mock",state="queued"} 1.0' in text
    assert 'llm_provider_admitted_total{provider="mock"} 1.0' in text
    assert 'llm_provider_refusals_total{error_code="LLM_CALLBACK_TOPIC_MISSING"} 1.0' in text
    assert 'llm_provider_http_requests_total{route="/api/v1/comparison",status="202"} 1.0' in text
    assert 'llm_provider_circuit_state{provider="mock",state="closed"} 1.0' in text
    assert "llm_provider_ledger_up 1.0" in text
    assert SECRET not in text


async def test_the_wait_is_estimated_from_queue_response_time_and_slots(settings, api):
    worker = Worker(settings)
    await worker.claims.renew([], [])

    async def figures_are_read() -> bool:
        return MOCK in api.dependencies.estimate._figures

    async with api.dependencies.ledger._redis.client() as redis:
        await redis.hset("umpire:breaker:mock", mapping={"average": "60000"})
    await apoll(figures_are_read, what="the figures are read")
    first = (await api.post(processing_mode="queue")).json()["estimated_wait_minutes"]
    second = (await api.post(processing_mode="queue")).json()["estimated_wait_minutes"]
    await worker.redis.aclose()
    assert (first, second) == (0, 1)


async def test_openapi_describes_the_body_the_problems_and_the_limits(api):
    document = (await api.get("/openapi.json")).json()
    submit = document["paths"]["/api/v1/comparison"]["post"]
    schema = document["components"]["schemas"]["LLMComparisonRequest"]
    assert submit["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/LLMComparisonRequest"
    }
    assert schema["properties"]["user_prompt"]["maxLength"] == 1_000_000
    assert {"200", "202", "408", "409", "413", "415", "422", "500", "502", "503", "504"} == set(submit["responses"])
    cancel = document["paths"]["/api/v1/comparison/{queue_id}"]["delete"]
    assert {"200", "404", "409", "422", "500", "503"} == set(cancel["responses"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert set(answer["content"]) == {"application/problem+json"}, path
