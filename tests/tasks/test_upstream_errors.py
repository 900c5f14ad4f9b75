"""Whatever a provider does: the right typed event, and exactly so many calls upstream. Each with its real SDK.

All cases of all four providers run at once, on one worker process each, when the first of these tests asks; the tests
then look at what came of it.
"""

import asyncio
import contextlib
import json
from typing import Any, NamedTuple

import pytest
from umpire_dripping import dripping
from umpire_worker import CANARY, Result, Worker, attempts_at, desk, failed_lines, reach

from contracts.enums import LLMErrorCode, LLMProviderType
from devtools.aimock import Aimock
from devtools.providers import REAL, VERDICT

pytestmark = [pytest.mark.aimock, pytest.mark.redis, pytest.mark.kafka]

ATTEMPTS, DEFERRALS = 2, 1

#: Calls that each kind of error costs in all.
PERMANENT, ANSWERED, TRANSIENT = 1, 2, ATTEMPTS * (1 + DEFERRALS)

SETTINGS = {
    "UMPIRE_RETRY_ATTEMPTS": str(ATTEMPTS),
    "UMPIRE_QUEUE_MAX_RETRIES": str(DEFERRALS),
    "UMPIRE_TEST_DEFER_SECONDS": "0.2",
    "UMPIRE_TEST_RETRY_INITIAL_SECONDS": "0.05",
    # Much for a call to this machine, little for a test.
    "UMPIRE_TEST_ATTEMPT_TIMEOUT_SECONDS": "2.7",
    # The cases share a worker: one that is told to wait makes the others wait, which must not use up their time.
    "UMPIRE_CALL_DEADLINE_SECONDS": "40",
    # The breaker and the holds have tests of their own.
    "UMPIRE_HOLD": "off",
    "UMPIRE_BREAKER_FAILURES": "1000",
}


class Case(NamedTuple):
    response: dict[str, Any]
    calls: int
    code: LLMErrorCode | None = None
    chaos: dict[str, float] = {}


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"content": text, "usage": USAGE, **more}


def fails(status: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"no: {CANARY}", "type": kind}, "status": status, **more}


#: As each of the four names them.
USAGE = {
    "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "input_tokens": 100, "output_tokens": 20,
    "promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120,
}  # fmt: skip

GOOD = json.dumps(VERDICT)
CASES = {
    "success": Case(says(GOOD), 1),
    "429": Case(fails(429, "rate_limit_error"), TRANSIENT, LLMErrorCode.PROVIDER_RATE_LIMIT),
    "429-retry-after": Case(fails(429, "rate_limit_error", retryAfter=1), TRANSIENT, LLMErrorCode.PROVIDER_RATE_LIMIT),
    "529": Case(fails(529, "overloaded_error"), TRANSIENT, LLMErrorCode.PROVIDER_UNAVAILABLE),
    "503": Case(fails(503, "unavailable"), TRANSIENT, LLMErrorCode.PROVIDER_UNAVAILABLE),
    "500": Case(fails(500, "api_error"), TRANSIENT, LLMErrorCode.PROVIDER_API_ERROR),
    "401": Case(fails(401, "authentication_error"), PERMANENT, LLMErrorCode.CONFIGURATION_ERROR),
    "400": Case(fails(400, "invalid_request_error"), PERMANENT, LLMErrorCode.PROVIDER_API_ERROR),
    "402": Case(fails(402, "billing_error"), PERMANENT, LLMErrorCode.COST_LIMIT_EXCEEDED),
    "malformed": Case(says(GOOD), ANSWERED, LLMErrorCode.PARSING_ERROR, {"malformedRate": 1.0}),
    "truncated": Case(says(GOOD[:40], finishReason="length"), ANSWERED, LLMErrorCode.INVALID_RESPONSE),
    "prose": Case(says("Essay B is the better one."), ANSWERED, LLMErrorCode.PARSING_ERROR),
    "essay-c": Case(says(GOOD.replace("Essay B", "Essay C")), ANSWERED, LLMErrorCode.INVALID_RESPONSE),
    "confidence-9": Case(says(json.dumps({**VERDICT, "confidence": 9})), ANSWERED, LLMErrorCode.INVALID_RESPONSE),
    "disconnect": Case(says(GOOD), TRANSIENT, LLMErrorCode.PROVIDER_UNAVAILABLE, {"disconnectRate": 1.0}),
    "timeout": Case(says(GOOD), TRANSIENT, LLMErrorCode.PROVIDER_TIMEOUT, {"latencyMs": 30_000}),
    "drip": Case(says(GOOD), TRANSIENT, LLMErrorCode.PROVIDER_TIMEOUT),
}


class Seen(NamedTuple):
    result: Result
    calls: int


class Run(NamedTuple):
    cells: dict[tuple[LLMProviderType, str], Seen]
    log: str


_ran: list[Run | Exception] = []


@pytest.fixture
async def run(redis_url: str, kafka_bootstrap: str, aimock: Aimock) -> Run:
    if not _ran:
        try:
            _ran.append(await run_all(redis_url, kafka_bootstrap, aimock))
        except Exception as error:  # noqa: BLE001 - each test tells it again, and none runs it all again
            _ran.append(error)
    if isinstance(_ran[0], Exception):
        raise _ran[0]
    return _ran[0]


async def run_all(redis_url: str, kafka: str, aimock: Aimock) -> Run:
    aimock.set_fixtures(
        [
            {"match": {"userMessage": f"case {name};"}, "response": case.response}
            | ({"chaos": case.chaos} if case.chaos else {})
            for name, case in CASES.items()
        ]
    )
    async with desk(redis_url, kafka) as at, dripping(aimock.port, b"case drip;") as url:
        workers = [Worker(p, **SETTINGS, **at.settings, **reach(p, url)) for p in REAL]
        ids: dict[tuple[LLMProviderType, str], str] = {}
        with contextlib.ExitStack() as stack:
            for each in workers:
                stack.callback(each.discard)
            await asyncio.gather(*(asyncio.to_thread(each.start) for each in workers))
            for provider in REAL:
                for name in CASES:
                    # The caller's own "attempts" wins over the service's.
                    metadata = {"case": name, "attempts": "own"}
                    ids[provider, name] = await at.submit(provider, f"case {name};", metadata=metadata)
            results = await at.inbox.until(ids.values(), 60)
            calls = attempts_at(aimock)
            log = "".join(each.log for each in workers)
        cells = {cell: Seen(results[queue_id], calls[queue_id]) for cell, queue_id in ids.items()}
        assert len(at.inbox.messages) == len(cells), "one event each"
        return Run(cells, log)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("provider", REAL)
async def test_the_typed_event_and_the_number_of_calls(run: Run, provider: LLMProviderType, name: str) -> None:
    case, seen = CASES[name], run.cells[provider, name]
    data = seen.result.data
    if case.code is None:
        assert data.error_detail is None
        assert (data.winner, data.confidence) == (VERDICT["winner"], VERDICT["confidence"])
        assert data.justification == VERDICT["justification"]
    else:
        assert data.error_detail is not None
        assert data.error_detail.error_code is case.code, data.error_detail
        assert data.winner is None
        assert CANARY not in seen.result.model_dump_json()
    assert seen.calls == case.calls
    assert data.provider is provider
    assert data.request_metadata["case"] == name
    assert data.request_metadata["attempts"] == "own"
    assert len(data.request_metadata["prompt_sha256"]) == 64


@pytest.mark.parametrize("provider", REAL)
async def test_answers_without_a_verdict_are_paid_for(run: Run, provider: LLMProviderType) -> None:
    for name, answers in (("success", 1), ("prose", 2), ("essay-c", 2)):
        data = run.cells[provider, name].result.data
        assert data.token_usage.prompt_tokens == 100 * answers
        assert data.token_usage.completion_tokens == 20 * answers
        assert data.cost_estimate > 0 or data.request_metadata["cost_known"] is False


@pytest.mark.parametrize("provider", REAL)
async def test_each_that_failed_has_one_line_in_the_log(run: Run, provider: LLMProviderType) -> None:
    """And none that did not."""
    for name, case in CASES.items():
        data = run.cells[provider, name].result.data
        lines = [line for line in failed_lines(run.log) if line["queue_id"] == data.request_id]
        if case.code is None:
            assert not lines
            continue
        (line,) = lines
        assert line["level"] == "info"
        assert (line["provider"], line["status"], line["error_code"]) == (provider, "failed", case.code)
        assert line["correlation_id"] == str(data.correlation_id)
        assert line["model"]
        assert (line["attempts"], line["cost"]) == (case.calls, data.cost_estimate)
        assert 0 < line["ms"] <= 1000 * line["waited"]
        if name == "timeout":
            assert line["ms"] > 1000 * 2.5 * case.calls, "of all its claims"


async def test_no_essay_and_no_key_in_the_workers_logs(run: Run) -> None:
    assert CANARY not in run.log
    assert "sk-secret" not in run.log
    assert "Traceback" not in run.log
