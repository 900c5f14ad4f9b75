"""OpenRouter hosts more models than the manifest has: the door lets any `vendor/model` in, and the worker checks it."""

import pytest
from umpire_worker import attempts_at, desk, reach, worker

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.settings import Settings
from devtools.providers import body_of, request_for
from devtools.upstream import Connection, answer, upstream
from providers.models.manifest import Manifest

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

OPENROUTER = LLMProviderType.OPENROUTER
LISTED, UNKNOWN, SMALL = "vendor/good-7b", "vendor/no-such-model", "vendor/tiny"

MODELS = {
    "data": [
        {
            "id": name,
            "name": name,
            "created": 1_700_000_000,
            "context_length": window,
            "supported_parameters": ["structured_outputs", "response_format", "max_tokens"],
            "top_provider": {"context_length": window, "max_completion_tokens": 4096},
            "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        }
        for name, window in ((LISTED, 64_000), (SMALL, 2_000))
    ]
}


@pytest.mark.parametrize("model", [LISTED, UNKNOWN])
def test_the_door_lets_it_in(model: str) -> None:
    admitted = Manifest.load().model_for(OPENROUTER, model, request_for(), Settings(), utcnow().date())
    assert admitted.model_id == model


async def test_the_worker_checks_it(redis_url: str, kafka_bootstrap: str) -> None:
    async with upstream() as provider, desk(redis_url, kafka_bootstrap) as at:

        async def serve(connection: Connection) -> None:
            is_list = provider.calls[-1]["method"] == "GET"
            await answer(200, MODELS if is_list else body_of(OPENROUTER, model=LISTED))(connection)

        provider.answers.append(serve)
        async with worker(OPENROUTER, **at.settings, **reach(OPENROUTER, provider.url)):
            good = await at.submit(OPENROUTER, model=LISTED)
            unknown = await at.submit(OPENROUTER, model=UNKNOWN)
            too_long = await at.submit(OPENROUTER, "word " * 4_000, model=SMALL)
            results = await at.inbox.until([good, unknown, too_long])
        assert results[good].data.winner
        assert results[good].data.model == LISTED
        codes = [results[queue_id].data.error_detail for queue_id in (unknown, too_long)]
        assert [code and code.error_code for code in codes] == ["LLM_INVALID_CONFIG", "LLM_CONTENT_TOO_LONG"]
        assert attempts_at(provider) == {good: 1}
        assert sum(call["method"] == "GET" for call in provider.calls) == 1, "the list is kept"
