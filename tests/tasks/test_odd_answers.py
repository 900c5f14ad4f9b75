"""The worst of the odd answers through a real worker: one call, one verdict, and no cost that is not known."""

import json

import pytest
from umpire_worker import attempts_at, desk, reach, worker

from contracts.enums import LLMErrorCode, LLMProviderType
from devtools.providers import body_of
from devtools.upstream import Connection, answer, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

OPENAI, OPENROUTER = LLMProviderType.OPENAI, LLMProviderType.OPENROUTER


def with_usage(provider: LLMProviderType, **usage: object) -> bytes:
    body = body_of(provider)
    return json.dumps({**body, "usage": {**body["usage"], **usage}}).encode()


CASES = {
    OPENROUTER: {
        "negative cost": with_usage(OPENROUTER, cost=-1),
        "no number": with_usage(OPENROUTER, cost=float("nan")),
        "beyond a float": json.dumps(body_of(OPENROUTER)).replace("0.00042", "1e400").encode(),
        "null counts": with_usage(OPENROUTER, prompt_tokens=None, completion_tokens=None),
    },
    OPENAI: {
        "more cached than sent": with_usage(OPENAI, input_tokens=100, input_tokens_details={"cached_tokens": 9000}),
        "negative count": with_usage(OPENAI, output_tokens=-5),
        "no usage": json.dumps(body_of(OPENAI, usage=None)).encode(),
    },
}


@pytest.mark.parametrize("provider", CASES)
async def test_one_call_one_verdict_and_an_honest_cost(
    redis_url: str, kafka_bootstrap: str, provider: LLMProviderType
) -> None:
    cases = CASES[provider]

    async def serve(connection: Connection) -> None:
        said = json.dumps(server.calls[-1]["body"])
        body = next((body for name, body in cases.items() if f"case {name};" in said), b'{"usage": {"cost": 1e999}}')
        await answer(200, body)(connection)

    async with (
        desk(redis_url, kafka_bootstrap) as at,
        upstream(serve) as server,
        worker(provider, **at.settings, **reach(provider, server.url)),
    ):
        ids = {name: await at.submit(provider, f"case {name};") for name in cases}
        lost = await at.submit(provider, "no answer at all")
        results = await at.inbox.until([*ids.values(), lost], 30)
    calls = attempts_at(server)
    for name, queue_id in ids.items():
        result = results[queue_id].data
        assert result.winner == "Essay B", name
        assert calls[queue_id] == 1, name
        assert (result.cost_estimate, result.request_metadata["cost_known"]) == (0, False), name
    error = results[lost].data
    assert error.error_detail is not None
    assert error.error_detail.error_code is LLMErrorCode.PARSING_ERROR
    assert (calls[lost], error.request_metadata["cost_known"]) == (2, False)
