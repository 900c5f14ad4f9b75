"""Results of a newer version's worker, and an API of this version that waits for them."""

import pytest
from umpire_service import MOCK, Worker, verdict

from contracts.encoding import dumps, loads
from contracts.enums import QueueStatus
from events.envelope import seal_result
from ledger.completion import CompletedBy, Completion

pytestmark = pytest.mark.redis


class NewerWorker(Worker):
    """A worker whose results have fields and values that this version does not know."""

    def __init__(self, settings, **data):
        super().__init__(settings)
        self._data = data

    async def finish(self, claimed):
        result = verdict(claimed)
        event = loads(seal_result(result, self._settings.kafka).value)
        event |= {"schema_version": 2, "lineage": ["v2"]}
        event["data"] |= self._data
        ending = Completion(
            queue_id=result.request_id,
            state=QueueStatus.COMPLETED,
            by=CompletedBy.ANY,
            topic=claimed.stored.request.callback_topic,
            key=str(result.correlation_id),
            event=dumps(event),
            cost=0.0,
        )
        assert await self.claims.finish(ending)


async def test_fields_of_a_newer_version_are_ignored(settings, api):
    async with NewerWorker(settings, rubric={"version": 2}).working():
        answer = await api.post()
    assert answer.status_code == 200, answer.text
    assert answer.json()["winner"] == "Essay B"


@pytest.mark.parametrize("data", [{"winner": "Neither"}, {"provider": "mistral"}, {"confidence": {"v": 2}}])
async def test_an_unreadable_result_of_a_newer_version_is_answered_202(settings, api, data):
    async with NewerWorker(settings, **data).working():
        answer = await api.post()
        assert answer.status_code == 202, answer.text
        tested = await api.client.post(f"/api/v1/providers/{MOCK.value}/test")
    assert tested.status_code == 200, tested.text
    assert tested.json()["ok"] is False
    counted = (await api.get("/metrics")).text
    (line,) = [one for one in counted.splitlines() if one.startswith("llm_provider_unknown_rows_total{")]
    assert 'kind="answer"' in line
    assert line.endswith(" 2.0")
