"""Asks for results again while things break: a few finished comparisons a second, some with another caller's key."""

import asyncio
import random
import time
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import httpx2

from chaos.journal import Journal
from chaos.stack import CALLERS

#: Seconds between two requests.
PAUSE_SECONDS = 1.0

#: Most results in one request.
MOST = 5

_TIMEOUT_SECONDS = 20.0


class Redeliveries:
    def __init__(
        self,
        url: str,
        keys: Mapping[str, str],
        owners: Mapping[str, str],
        answered: AbstractSet[str],
        seed: int,
        journal: Journal,
    ) -> None:
        """`owners`: caller by queue id, of accepted requests; `answered`: queue ids that have an event. Both grow."""
        self._url = url
        self._keys = keys
        self._owners = owners
        self._answered = answered
        self._journal = journal
        self._random = random.Random(f"{seed}.redeliveries")
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)
        self.stopping = False

    async def run(self) -> None:
        """Until `stopping` is set. The last answer is awaited, so that the journal lacks none."""
        while not self.stopping:
            await asyncio.sleep(PAUSE_SECONDS)
            owner = self._random.choice(CALLERS)
            finished = sorted(one for one in set(self._answered) if self._owners.get(one) == owner)
            if not finished:
                continue
            chosen = self._random.sample(finished, min(len(finished), self._random.randint(1, MOST)))
            mine = self._random.random() > 1 / 10
            caller = owner if mine else CALLERS[1 - CALLERS.index(owner)]
            key = str(uuid.uuid4()) if self._random.random() < 0.3 else None
            for _ in range(2 if key else 1):
                await self._ask(chosen, caller, key, mine=mine)

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, queue_ids: list[str], caller: str, key: str | None, *, mine: bool) -> None:
        headers = {"Authorization": f"Bearer {self._keys[caller]}"} | ({"Idempotency-Key": key} if key else {})
        sent, status, error = time.time(), None, None
        body: Any = None
        try:
            if len(queue_ids) == 1:
                path = f"/api/v1/comparison/{queue_ids[0]}/redeliver"
                response = await self._http.post(f"{self._url}{path}", headers=headers)
            else:
                path = "/api/v1/comparison/redeliver"
                response = await self._http.post(f"{self._url}{path}", json={"queue_ids": queue_ids}, headers=headers)
            status, body = response.status_code, response.json()
        except httpx2.HTTPError as failed:
            error = type(failed).__name__
        items = body.get("items") or [body] * len(queue_ids) if isinstance(body, dict) else [None] * len(queue_ids)
        for queue_id, item in zip(queue_ids, items, strict=True):
            refused = item.get("error") if item else None
            done = item is not None and "redelivery" in item
            self._journal.write(
                kind="redeliver", sent=sent, queue_id=queue_id, number=item["redelivery"] if done else None,
                status=refused["status"] if isinstance(refused, dict) else status and (202 if done else status),
                error=error, mine=mine, idempotency_key=key,
            )  # fmt: skip
