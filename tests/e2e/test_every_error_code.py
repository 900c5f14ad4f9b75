"""Each code of LLMErrorCode, driven through the public face of a real stack: the client's problem, and Kafka's event.

All cases run at once, on one API and one worker, when the first of these tests asks; the tests then look at what came
of it. On Kafka consumers know the first fifteen codes only.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from umpire_keys import Key, make_key
from umpire_worker import Desk, Inbox, api, desk, reach, worker

from contracts.enums import LLMErrorCode, LLMProviderType
from devtools.providers import VERDICT, body_of
from devtools.redis import RedisServer
from devtools.servers import apoll
from devtools.upstream import Connection, Upstream, answer, hang, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka, pytest.mark.stack]

ANTHROPIC, OPENAI = LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI
ON_KAFKA = list(LLMErrorCode)[:15]
Code = LLMErrorCode

SETTINGS = {
    "UMPIRE_AUTH": "keys",
    "UMPIRE_RETRY_ATTEMPTS": "1",
    "UMPIRE_QUEUE_MAX_RETRIES": "0",
    "UMPIRE_CALL_DEADLINE_SECONDS": "4",
    "UMPIRE_BREAKER_FAILURES": "1000",
    # A hold would release what it is to end.
    "UMPIRE_HOLD": "off",
    "UMPIRE_TEST_DOOR_REDIS_SECONDS": "3",
    "UMPIRE_CALLBACK_TOPICS": "verdicts.*",
    "UMPIRE_MAX_PROMPT_CHARS": "100000",
    # A prompt that is not too long yet, and does not fit any more.
    "UMPIRE_LEDGER_MAX_MEMORY_MB": "0.05",
}


def fails(status: int, kind: str) -> Callable[[Connection], Awaitable[None]]:
    return answer(status, {"type": "error", "error": {"type": kind, "message": "no"}})


def says(text: str, **more: Any) -> Callable[[Connection], Awaitable[None]]:
    return answer(200, body_of(ANTHROPIC, text, **more))


GOOD = json.dumps(VERDICT)

#: What the provider does → the code that the request ends in.
UPSTREAM = {
    Code.PROVIDER_UNAVAILABLE: fails(529, "overloaded_error"),
    Code.PROVIDER_RATE_LIMIT: fails(429, "rate_limit_error"),
    Code.PROVIDER_TIMEOUT: hang,
    Code.PROVIDER_API_ERROR: fails(400, "invalid_request_error"),
    Code.INVALID_PROMPT: says("", stop_reason="refusal"),
    Code.CONTENT_TOO_LONG: says("", stop_reason="model_context_window_exceeded"),
    Code.PARSING_ERROR: says("Essay B is better."),
    Code.INVALID_RESPONSE: says(GOOD.replace("Essay B", "Essay C")),
    Code.COST_LIMIT_EXCEEDED: fails(402, "billing_error"),
    Code.CONFIGURATION_ERROR: fails(401, "authentication_error"),
}

#: What the door refuses by itself: the fields of the request.
DOOR = {
    Code.CONTENT_TOO_LONG: {"user_prompt": "x" * 100_001},
    Code.INVALID_PROMPT: {"user_prompt": ""},
    Code.INVALID_CONFIG: {"llm_config_overrides": {"model_override": "no-such-model"}},
    Code.CALLBACK_TOPIC_MISSING: {"callback_topic": ...},
    Code.INVALID_CALLBACK_TOPIC: {"callback_topic": "elsewhere"},
    Code.QUEUE_FULL: {"user_prompt": "x" * 60_000},
}

#: Nobody works for it here: what is queued for it waits.
UNSERVED = {"provider_override": "openai"}


@dataclass
class Face:
    """The service, as a client with a key sees it."""

    at: Desk
    client: httpx2.AsyncClient
    key: Key
    redis: RedisServer
    status: Inbox
    #: Code → problems that said so.
    problems: dict[Code, list[httpx2.Response]] = field(default_factory=dict)

    async def post(self, prompt: str = "x", *, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        body = {"user_prompt": prompt, "callback_topic": self.at.topic, **fields}
        body = {name: value for name, value in body.items() if value is not ...}
        return await self.client.post("/api/v1/comparison", json=body, headers={**self.key.headers, **(headers or {})})

    def reached(self, code: Code, answered: httpx2.Response) -> None:
        self.problems.setdefault(code, []).append(answered)


async def a_provider_fails(face: Face, code: Code) -> None:
    face.reached(code, await face.post(f"case {code};"))


async def the_door_refuses(face: Face, code: Code) -> None:
    face.reached(code, await face.post(**DOOR[code]))


async def it_expires(face: Face) -> None:
    face.reached(Code.REQUEST_EXPIRED, await face.post(llm_config_overrides=UNSERVED, ttl_seconds=1))


async def it_is_cancelled(face: Face) -> None:
    """By another client of the same key, while one waits."""
    mine = str(uuid4())
    waiting = asyncio.create_task(face.post(llm_config_overrides=UNSERVED, correlation_id=mine))

    def queue_id() -> str | None:
        return next((e["data"]["queue_id"] for e in face.status.events if e["correlation_id"] == mine), None)

    found = await apoll(queue_id, 20, every=0.1, what="the status event tells the queue id")
    cancelled = await face.client.delete(f"/api/v1/comparison/{found}", headers=face.key.headers)
    assert cancelled.status_code == 200, cancelled.text
    face.reached(Code.REQUEST_CANCELLED, await waiting)


async def a_key_is_missing(face: Face) -> None:
    face.reached(Code.AUTHENTICATION_FAILED, await face.post(headers={"authorization": ""}))


async def a_key_may_have_one_only(face: Face) -> None:
    modest = await make_key(face.redis.url, max_queued=1)
    fields = {"headers": modest.headers, "llm_config_overrides": UNSERVED, "processing_mode": "queue", "ttl_seconds": 5}
    assert (await face.post(**fields)).status_code == 202
    face.reached(Code.QUOTA_EXCEEDED, await face.post(**fields))


async def a_key_has_spent_its_money(face: Face) -> None:
    poor = await make_key(face.redis.url, daily_cost=0.000001)
    paid = await face.post("case good;", headers=poor.headers)
    assert paid.status_code == 200, paid.text
    face.reached(Code.COST_LIMIT_EXCEEDED, await face.post("case good;", headers=poor.headers))


async def a_key_comes_again_with_another_body(face: Face) -> None:
    once = {"Idempotency-Key": "one"}
    assert (await face.post("case good;", headers=once)).status_code == 200
    face.reached(Code.IDEMPOTENCY_CONFLICT, await face.post("case good; really", headers=once))


async def the_ledger_is_away(face: Face) -> None:
    """Only the ledger knows what an Idempotency-Key stood for."""
    face.redis.pause()
    try:
        face.reached(Code.INTERNAL_ERROR, await face.post(headers={"Idempotency-Key": "two"}))
    finally:
        face.redis.resume()


OTHERS = (
    it_expires, it_is_cancelled, a_key_is_missing, a_key_may_have_one_only, a_key_has_spent_its_money,
    a_key_comes_again_with_another_body,
)  # fmt: skip

_ran: list[tuple[dict[Code, list[httpx2.Response]], dict[str, Any]] | Exception] = []


@pytest.fixture
async def run(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> tuple[dict[Code, list[httpx2.Response]], dict[str, Any]]:
    """Code → problems; and queue id → event."""
    if not _ran:
        try:
            _ran.append(await run_all(redis_server(aof=True), kafka_bootstrap))
        except Exception as error:  # noqa: BLE001 - each test tells it again, and none runs it all again
            _ran.append(error)
    if isinstance(_ran[0], Exception):
        raise _ran[0]
    return _ran[0]


async def run_all(redis: RedisServer, kafka: str) -> tuple[dict[Code, list[httpx2.Response]], dict[str, Any]]:
    provider: Upstream

    async def serve(connection: Connection) -> None:
        said = json.dumps(provider.calls[-1]["body"])
        code = next((code for code in UPSTREAM if f"case {code};" in said), None)
        await (UPSTREAM[code] if code else says(GOOD))(connection)

    async with desk(redis.url, kafka) as at, upstream(serve) as provider:
        settings = {**SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url), **reach(OPENAI, provider.url)}
        settings["UMPIRE_DEFAULT_PROVIDER"] = "anthropic"
        async with api(**settings) as (client, _), worker(ANTHROPIC, **settings):
            status = at.lifecycle("llm_provider.queue_status.v1")
            face = Face(at, client, await make_key(redis.url), redis, status)
            await asyncio.gather(
                *(a_provider_fails(face, code) for code in UPSTREAM),
                *(the_door_refuses(face, code) for code in DOOR if code is not Code.QUEUE_FULL),
                *(other(face) for other in OTHERS),
            )
            await the_door_refuses(face, Code.QUEUE_FULL)
            await the_ledger_is_away(face)
            accepted = [
                one.json()["queue_id"]
                for all_of_it in face.problems.values()
                for one in all_of_it
                if "queue_id" in one.text
            ]
            results = await at.inbox.until(accepted, 30)
        return face.problems, {queue_id: result.data for queue_id, result in results.items()}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("code", LLMErrorCode)
async def test_it_is_reached_at_the_door(run: Any, code: LLMErrorCode) -> None:
    problems, _ = run
    assert code in problems, "no case reaches it"
    for answered in problems[code]:
        assert answered.headers["content-type"] == "application/problem+json"
        assert answered.json()["error_code"] == code.value, answered.text
        assert answered.json()["status"] == answered.status_code >= 400


async def test_what_was_accepted_has_its_event_by_a_code_that_consumers_know(run: Any) -> None:
    problems, events = run
    told = set()
    for code, answers in problems.items():
        for answered in answers:
            queue_id = answered.json().get("queue_id")
            if queue_id is None:
                continue
            detail = events[queue_id].error_detail
            assert detail.error_code in ON_KAFKA
            assert detail.error_code is code or detail.details["reason"] == code.value
            told.add(code)
    assert told >= UPSTREAM.keys() | {Code.REQUEST_EXPIRED, Code.REQUEST_CANCELLED}
    every = {data.error_detail.error_code for data in events.values() if data.error_detail}
    assert every <= set(ON_KAFKA)
