"""200 comparisons through HTTP, each event read back from Kafka and matched with its request; and what Flower shows."""

import asyncio
import json
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
import pytest
from umpire_cli import Up, get
from umpire_worker import Inbox, Result

from contracts.enums import LLMProviderType
from contracts.topics import result_event_id
from devtools.servers import apoll

pytestmark = [pytest.mark.stack, pytest.mark.kafka, pytest.mark.timeout(180)]

COUNT = 200
CANARY = "canary-essay-7f3a"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Batch:
    """What was asked, and what the door said."""

    def __init__(self) -> None:
        self.topic = f"my-verdicts.{uuid4().hex}"
        self.requests: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, httpx2.Response] = {}

    @property
    def queue_ids(self) -> dict[str, str]:
        """Correlation id → queue id."""
        return {key: answer.json()["queue_id"] for key, answer in self.answers.items()}

    async def submit(self, url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            free = asyncio.Semaphore(50)

            async def one(number: int) -> None:
                key = str(uuid4())
                prompt = f"Which is better?\n\nEssay A\n{CANARY} {number}\n\nEssay B\nThe sea. {number * number}"
                metadata = {"essay_a_id": f"a{number}", "nested": {"n": [number, None, 1.5, "ö"]}, "attempts": "mine"}
                self.requests[key] = {
                    "user_prompt": prompt, "callback_topic": self.topic, "correlation_id": key,
                    "metadata": metadata, "priority": number % 11,
                }  # fmt: skip
                headers = {"traceparent": TRACEPARENT} | ({"prefer": "respond-async"} if number % 2 else {})
                async with free:
                    self.answers[key] = await client.post(
                        "/api/v1/comparison", json=self.requests[key], headers=headers
                    )

            await asyncio.gather(*(one(number) for number in range(COUNT)))


_batches: list[Batch] = []


@pytest.fixture
async def batch(up: Up) -> Batch:
    if not _batches:
        _batches.append(Batch())
        await _batches[0].submit(up.stack["api"])
    return _batches[0]


async def test_each_event_matches_its_request(up: Up, batch: Batch) -> None:
    inbox = Inbox(up.stack["kafka"], batch.topic)
    results = await inbox.until(batch.queue_ids.values(), 60)
    assert {answer.status_code for answer in batch.answers.values()} == {200, 202}
    assert len(results) == COUNT
    for message in inbox.messages:
        event = json.loads(message.value())
        result = Result.model_validate(event)
        key, data = str(result.correlation_id), result.data
        headers = {name: value.decode() for name, value in message.headers()}
        sent, answered = batch.requests[key], batch.answers[key]
        assert message.key().decode() == key == str(data.correlation_id)
        assert data.request_id == batch.queue_ids[key]
        assert result.event_id == result_event_id(data.request_id) != UUID(data.request_id)
        assert result.event_id.version == 5
        assert event["event_type"] == "huleedu.llm_provider.comparison_result.v1"
        assert (event["source_service"], event["schema_version"]) == ("llm_provider_service", 1)
        assert event["data"]["request_metadata"].items() >= sent["metadata"].items()
        assert data.error_detail is None
        assert data.provider is LLMProviderType.MOCK
        assert data.trace_id == TRACEPARENT.split("-")[1]
        assert CANARY not in message.value().decode()
        assert headers | {"traceparent": ""} == {
            "ce_specversion": "1.0", "ce_id": str(result.event_id), "ce_type": event["event_type"],
            "ce_source": "llm_provider_service", "ce_subject": data.request_id, "ce_time": event["event_timestamp"],
            "content-type": "application/json", "traceparent": "",
            "event_id": str(result.event_id), "event_type": event["event_type"], "trace_id": data.trace_id,
            "source_service": "llm_provider_service",
        }  # fmt: skip
        assert headers["traceparent"].startswith(TRACEPARENT[:35])
        if answered.status_code == 200:
            body = answered.json()
            assert (body["winner"], body["confidence"]) == (data.winner, data.confidence)
            assert body["metadata"] == event["data"]["request_metadata"]
    inbox.close()


async def test_the_lifecycle_is_told(up: Up, batch: Batch) -> None:
    queue_ids = set(batch.queue_ids.values())
    status = Inbox(up.stack["kafka"], "huleedu.llm_provider.queue_status.v1")

    def told() -> bool:
        events = [event["data"] for event in status.events]
        seen = {(event["queue_id"], event["event"]) for event in events}
        steps = ("QUEUE_REQUEST_QUEUED", "QUEUE_REQUEST_PROCESSING", "QUEUE_REQUEST_COMPLETED")
        return seen >= {(queue_id, step) for queue_id in queue_ids for step in steps}

    await apoll(told, 20, every=0.2, what="queued, processing, completed of each")
    status.close()
    for name in ("request_started", "request_completed", "cost_tracking"):
        topic = Inbox(up.stack["kafka"], f"huleedu.llm_provider.{name}.v1")
        await apoll(
            lambda topic=topic: {event["correlation_id"] for event in topic.events} >= batch.requests.keys(),
            20, every=0.2, what=name,
        )  # fmt: skip
        topic.close()


async def test_flower_shows_each_comparison_and_no_essay(up: Up, batch: Batch) -> None:
    stack = up.stack
    url, auth = stack["flower"], stack["flower_auth"]
    pages: dict[str, bytes] = {}

    def page(path: str) -> bytes:
        assert get(url + path)[0] == 401, f"{path} asks for a password"
        status, body = get(url + path, auth)
        assert status == 200, path
        pages[path] = body
        return body

    def tasks() -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(page("/api/tasks?limit=5000"))
        return shown

    queue_ids = set(batch.queue_ids.values())
    await apoll(
        lambda: {queue_id for queue_id, task in tasks().items() if task["state"] == "SUCCESS"} >= queue_ids,
        20, every=0.5, what="each comparison by queue id, succeeded",
    )  # fmt: skip
    shown = tasks()
    assert {shown[queue_id]["result"].strip("'") for queue_id in queue_ids} == {"completed"}
    assert {shown[queue_id]["name"] for queue_id in queue_ids} == {"tasks.compare"}
    some = min(queue_ids)
    for path in ("/", "/workers", "/tasks", "/broker", f"/task/{some}", f"/api/task/info/{some}", "/metrics"):
        page(path)
    workers = json.loads(page("/api/workers?refresh=1"))
    assert [name for name in workers if name.startswith("mock@")]
    for name in workers:
        page(f"/worker/{quote(name)}")
    assert "umpire.mock" in {queue["name"] for queue in json.loads(page("/api/queues/length"))["active_queues"]}
    assert some.encode() in pages[f"/task/{some}"]
    assert not [path for path, body in pages.items() if CANARY.encode() in body]


async def test_no_essay_in_any_log(up: Up, batch: Batch) -> None:
    assert batch.answers
    logs = {path: path.read_text(errors="replace") for path in (up.data_dir / "logs").iterdir()}
    assert len(logs) >= 3
    assert not [path for path, text in {**logs, up.output: up.text}.items() if CANARY in text]
    assert not [path for path, text in logs.items() if "Traceback" in text]
