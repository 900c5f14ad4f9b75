"""The client sends a fifth of its comparisons in batches, and repeats only what it may repeat."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chaos.client import IN_BATCH, OF, Client, Plan
from chaos.journal import Journal, read
from chaos.stack import CALLERS

Answers = list[dict[str, Any]]


class Api:
    """Refuses every third comparison of a batch the first time, and knows Idempotency-Keys."""

    def __init__(self) -> None:
        self.batches: list[tuple[str | None, Answers]] = []
        self.singles = 0
        self._known: dict[tuple[str, int], str] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body, key = json.loads(request.content or b"{}"), request.headers.get("idempotency-key")
        if request.method == "DELETE":
            return httpx2.Response(200, json={})
        if not request.url.path.endswith("/batch"):
            self.singles += 1
            return httpx2.Response(202, json={"queue_id": str(uuid4()), "status": "queued"})
        first = not any(key == before for before, _ in self.batches) if key else len(body["comparisons"]) == IN_BATCH
        self.batches.append((key, body["comparisons"]))
        items = [self._item(key, index, refuse=first and index % 3 == 0) for index in range(len(body["comparisons"]))]
        return httpx2.Response(207, json={"items": items}, headers={"retry-after": "0"})

    def _item(self, key: str | None, index: int, *, refuse: bool) -> dict[str, Any]:
        if refuse:
            return {"queue_id": None, "error": {"status": 503, "error_code": "LLM_QUEUE_FULL"}}
        queue_id = self._known.setdefault((key, index), str(uuid4())) if key else str(uuid4())
        return {"queue_id": queue_id, "status": "queued", "error": None}


async def run(tmp_path: Path, seed: int, numbers: range) -> tuple[Api, Client, Answers]:
    api, journal = Api(), tmp_path / "client.jsonl"
    client = Client("http://api", dict.fromkeys(CALLERS, "key"), seed, Journal(journal))
    await client.close()
    client._http = httpx2.AsyncClient(transport=httpx2.MockTransport(api))
    for number in numbers:
        plan = Plan.of(seed, number)
        if number % OF < OF - IN_BATCH and (plan.again or plan.twice or plan.cancel):
            continue  # not what is tested here, and slow
        await client.compare(number)
    await client.close()
    return api, client, [one for one in read(journal) if one["kind"] == "post"]


async def test_a_fifth_of_the_load_is_in_batches(tmp_path: Path) -> None:
    assert 5 * IN_BATCH == OF
    api, client, posts = await run(tmp_path, 3, range(2 * OF))
    in_batches = {post["number"] for post in posts if post["in_batch"]}
    assert in_batches == {number for number in range(2 * OF) if number % OF >= OF - IN_BATCH}
    assert api.singles == len([post for post in posts if not post["in_batch"]])
    assert all(post["queue_id"] in client.accepted for post in posts if post["outcome"] == "accepted")


@pytest.mark.parametrize("keyed", [True, False])
async def test_what_was_refused_is_sent_again(tmp_path: Path, keyed: bool) -> None:
    last = OF - 1
    seed = next(
        seed
        for seed in range(100)
        if (plans := Plan.batch_of(seed, last)) and bool(plans[0].key) is keyed and not plans[0].stranger
    )
    api, _, posts = await run(tmp_path, seed, range(last, last + 1))
    refused = {post["number"] for post in posts if post["outcome"] == "refused"}
    assert refused
    accepted = {post["number"]: post["queue_id"] for post in posts if post["outcome"] == "accepted"}
    assert len(accepted) == IN_BATCH, "each is in, in the end"
    ids = Counter(post["queue_id"] for post in posts if post["queue_id"])
    assert len(ids) == IN_BATCH
    if keyed:
        assert {len(comparisons) for _, comparisons in api.batches} == {IN_BATCH}, (
            "the place counts: all are sent again"
        )
        assert {json.dumps(comparisons) for _, comparisons in api.batches} == {json.dumps(api.batches[0][1])}
    else:
        (_, all_of_them), (_, again) = api.batches
        assert len(again) == len(refused)
        sent = {one["correlation_id"] for one in all_of_them}
        assert not sent & {one["correlation_id"] for one in again}, "they are new requests"
