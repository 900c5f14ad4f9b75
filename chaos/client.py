"""The client: submits comparisons as a careful client would, and records every answer."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from chaos.journal import Journal
from chaos.stack import CALLERS, PROVIDERS

TOPICS = ["chaos.verdicts.a", "chaos.verdicts.b"]

#: Seconds after which a comparison that was never accepted is given up.
GIVE_UP_SECONDS = 90.0

#: Of this many comparisons, the last ones are submitted in one batch: a fifth of the load.
OF, IN_BATCH = 50, 10

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
    in_batch: bool = False
    correlation_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def batch_of(cls, seed: int, last: int) -> "list[Plan]":
        """The comparisons of one batch: one caller, and one idempotency key or none."""
        plans = [cls.of(seed, number) for number in range(last - IN_BATCH + 1, last + 1)]
        first = plans[0]
        key = f"chaos-{seed}-batch-{last}" if random.Random(f"{seed}.batch.{last}").random() < 0.5 else None
        for plan in plans:
            plan.in_batch, plan.mode, plan.key = True, "queue", key
            plan.caller, plan.stranger = first.caller, first.stranger
        return plans

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


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, or the error instead of one."""

    status: int | None = None
    body: Any = None
    wait: str | None = None
    error: str | None = None

    def of(self, item: dict[str, Any]) -> "Answer":
        """What a single request would have got in place of this item of a batch."""
        if item["error"]:
            return Answer(item["error"]["status"], item["error"], self.wait)
        return Answer(202, item, None)


def _best(outcomes: Iterable[Outcome]) -> Outcome:
    """Of the same request, sent at the same time."""
    return min(outcomes, key=lambda one: ("accepted", "rejected", "refused", "unknown", "unsent").index(one.kind))


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
        """Submit one comparison, or a whole batch if it is the last one of a batch."""
        if number % OF < OF - IN_BATCH:
            await self._compare(Plan.of(self._seed, number))
        elif number % OF == OF - 1:
            await self._compare_all(Plan.batch_of(self._seed, number))

    async def _compare_all(self, plans: list[Plan]) -> None:
        keyed = plans[0].key is not None
        until = time.monotonic() + GIVE_UP_SECONDS
        accepted: dict[int, str] = {}
        left = plans
        while left and time.monotonic() < until:
            # With a key, first on two connections at the same time, so to both API processes.
            times = 2 if keyed and not accepted else 1
            answers = await asyncio.gather(*(self._post_batch(left) for _ in range(times)))
            outcomes = [_best(outcomes) for outcomes in zip(*answers, strict=True)]
            for plan, outcome in zip(left, outcomes, strict=True):
                if outcome.queue_id is not None:
                    accepted[plan.number] = outcome.queue_id
            again = [plan for plan, one in zip(left, outcomes, strict=True) if self._may_try_again(plan, one)]
            if not keyed:
                for plan in again:
                    plan.correlation_id = str(uuid.uuid4())
            # With a key the place of each comparison counts, so the whole batch is sent again.
            left = plans if keyed and again else again
            if left:
                await asyncio.sleep(min(3.0, *(one.retry_after for one in outcomes)))
        for plan in plans:
            if plan.cancel and plan.number in accepted:
                await self._cancel(plan, accepted[plan.number])

    async def _compare(self, plan: Plan) -> None:
        if plan.twice:
            outcome = _best(await asyncio.gather(self._post(plan), self._post(plan)))
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
            await self._cancel(plan, outcome.queue_id)
        if plan.again:
            await asyncio.sleep(self._random.uniform(0, 5))
            await self._post(plan)

    async def _cancel(self, plan: Plan, queue_id: str) -> None:
        mine = self._random.random() > 1 / 3
        await self._delete(queue_id, plan.caller if mine else CALLERS[1 - CALLERS.index(plan.caller)], mine=mine)

    def _may_try_again(self, plan: Plan, outcome: Outcome) -> bool:
        """A request that got no answer may be sent again only with an Idempotency-Key."""
        if plan.stranger:
            return False
        if outcome.kind == "refused":
            return plan.mode != "immediate" or plan.key is not None
        return outcome.kind == "unsent" or (outcome.kind == "unknown" and plan.key is not None)

    async def _post(self, plan: Plan) -> Outcome:
        sent = time.time()
        return self._outcome(plan, sent, await self._send("/api/v1/comparison", plan.body(), plan))

    async def _post_batch(self, plans: list[Plan]) -> list[Outcome]:
        """The outcome of each. The journal has one entry for each comparison, as if it had been sent alone."""
        sent = time.time()
        body = {"comparisons": [plan.body() for plan in plans]}
        whole = await self._send("/api/v1/comparison/batch", body, plans[0])
        items = whole.body.get("items") if isinstance(whole.body, dict) else None
        answers = [whole] * len(plans) if items is None else [whole.of(item) for item in items]
        return [self._outcome(plan, sent, answer) for plan, answer in zip(plans, answers, strict=True)]

    async def _send(self, path: str, body: dict[str, Any], plan: Plan) -> Answer:
        headers = self._presented(plan.caller, stranger=plan.stranger)
        if plan.key:
            headers["Idempotency-Key"] = plan.key
        try:
            response = await self._http.post(f"{self._url}{path}", json=body, headers=headers)
        except httpx2.HTTPError as failed:
            return Answer(error=type(failed).__name__)
        return Answer(response.status_code, response.json(), response.headers.get("retry-after"))

    def _outcome(self, plan: Plan, sent: float, answer: Answer) -> Outcome:
        """What the answer means for this comparison; also written to the journal."""
        queue_id = answer.body.get("queue_id") if isinstance(answer.body, dict) else None
        if answer.status is not None:
            kind = "accepted" if queue_id else "refused" if answer.status in {401, 429, 500, 503} else "rejected"
        else:
            kind = "unsent" if answer.error in {"ConnectError", "ConnectTimeout"} else "unknown"
        self.outcomes[kind] += 1
        if queue_id:
            self.accepted.add(queue_id)
            self.owners[queue_id] = plan.caller
        self._journal.write(
            kind="post", number=plan.number, sent=sent, outcome=kind, status=answer.status, error=answer.error,
            retry_after=answer.wait, queue_id=queue_id, idempotency_key=plan.key, in_batch=plan.in_batch,
            caller="stranger" if plan.stranger else plan.caller,
            request={name: value for name, value in plan.body().items() if name != "user_prompt"}, answer=answer.body,
        )  # fmt: skip
        return Outcome(kind, queue_id, float(answer.wait or 1))

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
