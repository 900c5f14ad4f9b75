"""Whole assessments on the store: callbacks in any order, twice or never, kills, and two processes at once.

Each action is one transaction, as a process would make it; a kill is an action that is not made, or an answer that is
not heard.
"""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest
from umpire_store import NOW, event, failure, new_assessment, verdict

from assessment.store.sql.database import Database
from assessment.store.store import AssessmentStore
from assessment.store.stored import NewChunk
from assessment.workflow.apply import apply_decision
from assessment.workflow.commands import Complete, Fail, Submit
from assessment.workflow.decide import decide
from assessment.workflow.record import accepted, refused
from assessment.workflow.state import ENDED, ComparisonStatus
from contracts.enums import CJBatchStateEnum

TTL = 3600.0


class History:
    """Two processes on one database, and a comparison service that remembers every correlation id."""

    def __init__(self, stores, seed, trouble):
        self.stores = stores
        self.rng = random.Random(seed)
        self.trouble = trouble
        self.now = NOW
        self.journal = {}  # correlation id → what was submitted under it
        self.bodies = {}  # chunk → its contents when it was first sent
        self.to_deliver = []
        self.ends = []

    @property
    def store(self):
        return self.rng.choice(self.stores)

    def unlucky(self, share=1.0):
        return self.rng.random() < self.trouble * share

    async def step(self):
        for its_id in await self.store.assessments.claim_due(now=self.now, limit=2, lease_seconds=30):
            if self.unlucky(0.3):
                continue  # killed after it claimed the step
            async with self.store.assessments.locked(its_id) as unit:
                decision = decide(unit.state, self.now)
                after = apply_decision(unit.state, decision, self.now)
                chunks = [NewChunk(c.chunk, c.retry) for c in decision.commands if isinstance(c, Submit)]
                ends = [c for c in decision.commands if isinstance(c, Complete | Fail)]
                events = [event(str(its_id)) for _ in ends]
                await unit.save(after, now=self.now, decided=True, chunks=chunks, events=events)
            self.ends += [(its_id, one) for one in ends]

    async def send(self):
        for its_id, number in await self.store.chunks.claim(now=self.now, limit=2, lease_seconds=30):
            if self.unlucky(0.3):
                continue  # killed before it sent
            chunk = await self.store.chunks.read(its_id, number)
            await self.store.chunks.sending(its_id, number, now=self.now)
            body = [
                (i.correlation_id, i.submission, i.comparison.number, i.comparison.first, i.comparison.second)
                for i in chunk.items
            ]
            assert self.bodies.setdefault((its_id, number), body) == body, "a chunk that was built again differs"
            refuse = self.unlucky(0.2) and (its_id, number, "accepted") not in self.bodies
            if not refuse and (its_id, number, "accepted") not in self.bodies:
                self.bodies[its_id, number, "accepted"] = True
                for correlation, submission, comparison, *_ in body:
                    assert correlation not in self.journal, "a comparison was submitted twice"
                    self.journal[correlation] = (its_id, comparison, submission)
                    self.to_deliver.append(self.answer(its_id, comparison, submission))
            if self.unlucky(0.3):
                continue  # killed before it heard the answer
            async with self.store.assessments.locked(its_id) as unit:
                rows = list(unit.state.comparisons)
                clock, options = unit.state.assessment.clock(self.now), unit.state.assessment.options
                for _, submission, comparison, *_ in body:
                    rows[comparison] = (
                        refused(rows[comparison], submission, "LLM_QUEUE_FULL", options)
                        if refuse
                        else accepted(rows[comparison], submission, clock, TTL)
                    )
                state = replace(unit.state, comparisons=tuple(rows))
                await unit.save(state, now=self.now, decided=False, answered=[number])

    def answer(self, its_id, comparison, submission):
        if self.unlucky(0.3):
            return failure(its_id, comparison, "LLM_PROVIDER_API_ERROR", submission=submission)
        return verdict(its_id, comparison, first_won=self.rng.random() < 0.7, submission=submission)

    async def deliver(self):
        self.rng.shuffle(self.to_deliver)
        count = self.rng.randint(1, 20)
        group, self.to_deliver = self.to_deliver[:count], self.to_deliver[count:]
        heard = [one for one in group if not self.unlucky(0.05)]
        again = [one for one in heard if self.unlucky(0.5)]
        await self.store.callbacks.record(heard + again, now=self.now)
        self.to_deliver += [one for one in again if self.unlucky(0.3)]

    async def run(self, ids, most=1500):
        for _ in range(most):
            actions = self.rng.choices([self.step, self.send, self.deliver], [4, 4, 3], k=self.rng.randint(1, 4))
            await asyncio.gather(*(action() for action in actions))
            self.now += self.rng.choice([0.1, 1.0, 1.0, 40.0])
            if self.rng.random() < 0.02:
                self.now += 5000
            if len(self.ends) == len(ids):
                return
        raise AssertionError("not ended")


@pytest.fixture
async def two_processes(database_url):
    """On SQLite one, which is all that it allows."""
    databases = [Database(database_url) for _ in range(1 if database_url.startswith("sqlite") else 2)]
    yield [AssessmentStore(database) for database in databases]
    for database in databases:
        await database.close()


@pytest.mark.parametrize(("seed", "trouble"), [(1, 0.0), (2, 0.3), (3, 0.6)])
async def test_every_assessment_ends_and_nothing_is_submitted_or_counted_twice(two_processes, seed, trouble):
    history = History(two_processes, seed, trouble)
    store = two_processes[0]
    sizes = (3, 5, 9)
    ids = [
        (
            await store.assessments.create(
                new_assessment(size, batch=str(size), max_comparisons_per_essay=6, batch_size=10), now=NOW
            )
        ).assessment
        for size in sizes
    ]
    await history.run(ids)
    assert Counter(its_id for its_id, _ in history.ends) == dict.fromkeys(ids, 1)
    assert len(await store.outbox.claim(now=history.now, limit=99, lease_seconds=1)) == len(ids)
    for its_id in ids:
        state = await store.assessments.read(its_id)
        assert state.assessment.state in ENDED
        assert state.assessment.state is CJBatchStateEnum.COMPLETED or trouble
        answered = Counter(row.verdicts for row in state.comparisons if row.status is ComparisonStatus.SUCCEEDED)
        assert 0 not in answered
        assert trouble or set(answered) == {1}
        assert all(row.cost_usd == 0.25 * row.verdicts for row in state.comparisons)
    # What comes late is stored and costed, and changes no ended assessment's state.
    await store.callbacks.record(history.to_deliver, now=history.now)
    assert await store.assessments.claim_due(now=history.now + 1e6, limit=9, lease_seconds=1) == []
