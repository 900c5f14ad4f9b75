"""LLMCostTrackingV1 names the caller, whose cost it is: not this service."""

import pytest
from umpire_keys import make_key
from umpire_worker import api, desk, worker

from contracts.enums import LLMProviderType
from contracts.events import LLMCostTrackingV1
from contracts.topics import COST_TRACKING
from devtools.servers import apoll

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK = LLMProviderType.MOCK


async def test_the_service_name_is_the_keys_else_what_the_metadata_say(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at:
        key = await make_key(redis_url)
        surroundings = {**at.settings, "UMPIRE_AUTH": "keys"}
        async with api(**surroundings) as (client, _), worker(MOCK, **surroundings):
            body = {"user_prompt": "Which?", "callback_topic": at.topic, "metadata": {"cj_source": "els"}}
            answer = await client.post("/api/v1/comparison", json=body, headers=key.headers)
            expected = {
                answer.json()["queue_id"]: "test",
                await at.submit(MOCK, metadata={"cj_source": "els"}): "els",
                await at.submit(MOCK, metadata={"cj_source": 7}): "unknown",
                await at.submit(MOCK): "unknown",
            }
            inbox = at.lifecycle(COST_TRACKING)
            await apoll(lambda: len(inbox.look()) >= len(expected), 30, what="a cost of each")
            told = {
                dict(message.headers())["ce_subject"].decode(): LLMCostTrackingV1.model_validate(event["data"])
                for message, event in zip(inbox.messages, inbox.events, strict=True)
            }
    assert {queue_id: cost.service_name for queue_id, cost in told.items()} == expected
