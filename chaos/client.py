"""The client: submits comparisons as a careful client would, and records every answer."""

import asyncio
import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2

from chaos.journal import Journal
from chaos.stack import CALLERS, PROVIDERS

TOPICS = ["chaos.verdicts.a", "chaos.verdicts.b"]

#: Seconds after which a comparison that was never accepted is given up.
GIVE_UP_SECONDS = 90.0

#: Longer than any answer may take.
TIMEOUT_SECONDS = 40.0


@dataclass
class Plan:
    """One comparison and how its client behaves. It depends on seed and number only."""

    number: int
    provider: str
    mode: str
    key: str | None
    priority: int
    ttl: int | None
    twice: bool
    """Has an idempotency key and is sent twice at the same time, on two connections, so to both API processes."""
    again: bool
    """Has an idempotency key and is sent again after it was accepted."""
    cancel: bool
    caller: str
    stranger: bool
    """The request has an API key that was never made. (A third of the cancellations have another caller's key.)"""
    topic: str
    correlation_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, seed: int, number: int) -> "Plan":
        rng = random.Random(f"{seed}.{number}")
        mode = rng.choices(["queue_if_unavailable", "queue", "immediate"], [45, 40, 15])[0]
        keyed = rng.random() < 0.3
        return cls(
            number=number,
            provider=rng.choices(PROVIDERS, [2, 1])[0],
            mode=mode,
            key=f"chaos-{seed}-{number}" if keyed else None,
            priority=rng.choice([0, 0, 0, 3, 6, 10]),
            ttl=rng.randint(3, 20) if rng.random() < 0.03 else None,
            twice=keyed and rng.random() < 0.2,
            again=keyed and rng.random() < 0.2,
            cancel=mode == "queue" and rng.random() < 0.1,
            caller=rng.choice(CALLERS),
            stranger=rng.random() < 0.02,
            topic=rng.choice(TOPICS),
            correlation_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            metadata={
                "number": number, "essay_a_id": f"a-{rng.randint(1, 500)}", "note": 'Größe 漢字 \u2028 "quoted"',
                "nested": {"list": [1, 2.5, None, True, {"deep": []}]}, "attempts": "the caller's own",
            },
        )  # fmt: skip

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "user_prompt": f"Which essay is better?\n\nEssay A\nNumber {self.number}, at length.\n\nEssay B\nIn short.",
            "callback_topic": self.topic,
            "correlation_id": self.correlation_id,
            "metadata": self.metadata,
            "processing_mode": self.mode,
            "priority": self.priority,
            "llm_config_overrides": {"provider_override": self.provider},
        }
        return body if self.ttl is None else {**body, "ttl_seconds": self.ttl}


@dataclass(frozen=True)
class Outcome:
    """accepted: it has a queue id; refused: a temporary error; rejected: another 4xx, which should not occur; unsent:
    no connection; unknown: no answer.
    """

    kind: str
    queue_id: str | None = None
    retry_after: float = 1.0


class Client:
    def __init__(self, url: str, keys: dict[str, str], seed: int, journal: Journal) -> None:
        self._url = url
        self._keys = keys
        self._seed = seed
        self._journal = journal
        self._http = httpx2.AsyncClient(
            timeout=TIMEOUT_SECONDS, trust_env=False,
            limits=httpx2.Limits(max_connections=2000, max_keepalive_connections=100),
        )  # fmt: skip
        self._random = random.Random(seed)
        #: Queue ids of accepted requests.
        self.accepted: set[str] = set()
        #: Caller by queue id.
        self.owners: dict[str, str] = {}
        self.outcomes: Counter[str] = Counter()

    async def close(self) -> None:
        await self._http.aclose()

    async def compare(self, number: int) -> None:
        plan = Plan.of(self._seed, number)
        if plan.twice:
            outcomes = await asyncio.gather(self._post(plan), self._post(plan))
            outcome = min(
                outcomes, key=lambda one: ("accepted", "rejected", "refused", "unknown", "unsent").index(one.kind)
            )
        else:
            outcome = await self._post(plan)
        until = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < until and self._may_try_again(plan, outcome):
            await asyncio.sleep(min(outcome.retry_after, 3.0) if outcome.kind == "refused" else 0.2)
            if plan.key is None:
                # A new request: an event of the refused one would be a violation.
                plan.correlation_id = str(uuid.uuid4())
            outcome = await self._post(plan)
        if outcome.queue_id is None:
            return
        if plan.cancel:
            mine = self._random.random() > 1 / 3
            await self._delete(
                outcome.queue_id, plan.caller if mine else CALLERS[1 - CALLERS.index(plan.caller)], mine=mine
            )
        if plan.again:
            await asyncio.sleep(self._random.uniform(0, 5))
            await self._post(plan)

    def _may_try_again(self, plan: Plan, outcome: Outcome) -> bool:
        """A request that got no answer may be sent again only with an Idempotency-Key."""
        if plan.stranger:
            return False
        if outcome.kind == "refused":
            return plan.mode != "immediate" or plan.key is not None
        return outcome.kind == "unsent" or (outcome.kind == "unknown" and plan.key is not None)

    async def _post(self, plan: Plan) -> Outcome:
        body, sent = plan.body(), time.time()
        headers = self._presented(plan.caller, stranger=plan.stranger)
        if plan.key:
            headers["Idempotency-Key"] = plan.key
        status, answer, error, wait = None, None, None, None
        try:
            response = await self._http.post(f"{self._url}/api/v1/comparison", json=body, headers=headers)
            status, answer, wait = response.status_code, response.json(), response.headers.get("retry-after")
        except httpx2.HTTPError as failed:
            error = type(failed).__name__
        queue_id = answer.get("queue_id") if isinstance(answer, dict) else None
        if status is not None:
            kind = "accepted" if queue_id else "refused" if status in {401, 429, 500, 503} else "rejected"
        else:
            kind = "unsent" if error in {"ConnectError", "ConnectTimeout"} else "unknown"
        self.outcomes[kind] += 1
        if queue_id:
            self.accepted.add(queue_id)
            self.owners[queue_id] = plan.caller
        self._journal.write(
            kind="post", number=plan.number, sent=sent, outcome=kind, status=status, error=error,
            retry_after=wait, queue_id=queue_id, idempotency_key=plan.key,
            caller="stranger" if plan.stranger else plan.caller,
            request={name: value for name, value in body.items() if name != "user_prompt"}, answer=answer,
        )  # fmt: skip
        return Outcome(kind, queue_id, float(wait or 1))

    def _presented(self, caller: str, *, stranger: bool = False) -> dict[str, str]:
        key = self._keys[caller]
        return {"Authorization": f"Bearer {key[::-1] if stranger else key}"}

    async def _delete(self, queue_id: str, caller: str, *, mine: bool) -> None:
        sent, status, error = time.time(), None, None
        try:
            url = f"{self._url}/api/v1/comparison/{queue_id}"
            response = await self._http.delete(url, headers=self._presented(caller))
            status = response.status_code
        except httpx2.HTTPError as failed:
            error = type(failed).__name__
        self._journal.write(kind="delete", sent=sent, queue_id=queue_id, status=status, error=error, mine=mine)
