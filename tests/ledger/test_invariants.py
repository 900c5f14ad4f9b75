"""Whatever two workers, a custodian and the door do in whatever order: nothing is lost, nothing ends twice.

The clock is Redis' own, so that lapses, due deferrals and expiry are made by moving a record's score into the past.
"""

import asyncio
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from umpire_ledger import MOCK, House, ending, lease_of, stored

from contracts.clock import utcnow
from contracts.enums import QueueStatus
from contracts.settings import LedgerSettings
from ledger.claims import Release
from ledger.completion import CompletedBy
from ledger.keys import spent as spent_key
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

WORKERS = ("one", "two")
#: API keys, and none.
KEYS = ("ann", "ben", None)
TERMINAL = {QueueStatus.COMPLETED, QueueStatus.FAILED, QueueStatus.EXPIRED}
LISTS = ("umpire.mock", "umpire.mock:3", "umpire.mock:6", "umpire.mock:9")

#: Of each ending, in USD.
COST = 0.01

owners = st.sampled_from(WORKERS)


def end(queue_id, state=QueueStatus.COMPLETED, by=CompletedBy.ANY):
    return ending(queue_id, state, by, cost=COST)


class LedgerMachine(RuleBasedStateMachine):
    url = ""
    requests = Bundle("requests")

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.admitted = {}
        self.confirmed = set()

    def run(self, coroutine):
        return self.runner.run(coroutine)

    @initialize()
    def open(self):
        async def make():
            redis = connect(self.url, timeout=2.0)
            await redis.flushall()
            limits = LedgerSettings(lease_seconds=30, max_lapses=2, lost_pointer_seconds=0.001)
            return redis, House(redis, limits)

        self.redis, self.house = self.run(make())
        self.workers = {owner: self.house.claims(owner) for owner in WORKERS}
        self.numbers = {}
        self.sweeps = self.house.sweeps()

    def teardown(self):
        if hasattr(self, "redis"):
            self.run(self.drain())
            self.run(self.redis.aclose())
        self.runner.close()

    @rule(target=requests, priority=st.integers(0, 10), size=st.integers(1, 200), key=st.sampled_from(KEYS))
    def admit(self, priority, size, key):
        request = stored(priority=priority, prompt="x" * size, owner=key)
        self.run(self.house.ledger.admit(request))
        self.admitted[str(request.queue_id)] = request
        return request

    @rule(request=requests)
    def replay(self, request):
        self.run(self.house.ledger.admit(request))

    @rule(owner=owners, request=requests, more=st.integers(0, 3))
    def claim(self, owner, request, more):
        before = self.states()
        for claimed in self.run(self.workers[owner].claim(str(request.queue_id), more=more)):
            assert before[str(claimed.stored.queue_id)] == "queued"
            self.numbers[owner, claimed.stored.queue_id] = claimed.fencing_token

    @rule(owner=owners, more=st.integers(1, 3))
    def take(self, owner, more):
        for claimed in self.run(self.workers[owner].claim(None, more=more)):
            self.numbers[owner, claimed.stored.queue_id] = claimed.fencing_token

    @rule(owner=owners, request=requests, by=st.sampled_from(CompletedBy), state=st.sampled_from(sorted(TERMINAL)))
    def finish(self, owner, request, by, state):
        ended = self.states()[str(request.queue_id)] in TERMINAL
        entry = self.run(self.workers[owner].finish(end(request.queue_id, state, by)))
        assert not (ended and entry)

    @rule(owner=owners, request=requests, delay=st.sampled_from([0, 60]), front=st.booleans(), counts=st.booleans())
    def give_back(self, owner, request, delay, front, counts):
        self.run(self.workers[owner].release([Release(request, delay=delay, counts=counts, front=front)]))

    @rule(owner=owners, asked=st.lists(requests, max_size=3, unique_by=lambda request: request.queue_id))
    def heartbeat(self, owner, asked):
        leases = [lease_of(request, self.numbers.get((owner, request.queue_id), 0)) for request in asked]
        self.run(self.workers[owner].renew(leases, []))

    @rule(first=st.integers(0, 3))
    def kafka_confirms(self, first):
        async def confirm():
            entries = await self.house.entries()
            self.confirmed.update(fields[b"i"].decode() for _, fields in entries[:first])
            await self.house.confirm(*(entry_id for entry_id, _ in entries[:first]))

        self.run(confirm())

    @rule(request=requests)
    def a_message_is_lost(self, request):
        async def lose():
            for name in LISTS:
                for message in await self.house.messages(name):
                    if str(request.queue_id).encode() in message:
                        await self.redis.lrem(name, 0, message)

        self.run(lose())

    @rule(asked=st.lists(requests, max_size=3))
    def leases_lapse(self, asked):
        async def lapse():
            await self.house.lapse_now(*asked)
            return await self.sweeps.take_back_lapsed()

        _, poison = self.run(lapse())
        for left in poison:
            entry = self.house.claims("custodian").finish(
                end(left.stored.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER)
            )
            assert self.run(entry) is not None

    @rule(request=requests)
    def a_deferral_comes_due(self, request):
        async def due():
            await self.redis.zadd("umpire:deferred:mock", {str(request.queue_id): 1}, xx=True)
            await self.sweeps.push_due(MOCK)

        self.run(due())

    @rule(request=requests)
    def a_request_expires(self, request):
        async def expire():
            await self.redis.zadd("umpire:expiry", {str(request.queue_id): 1}, xx=True)
            for left in await self.sweeps.expired():
                await self.workers["one"].finish(end(left.stored.queue_id, QueueStatus.EXPIRED, CompletedBy.UNCLAIMED))

        self.run(expire())

    def states(self):
        async def read():
            return {queue_id: await self.house.ledger.stats.state(UUID(queue_id)) for queue_id in self.admitted}

        return self.run(read())

    @invariant()
    def all_is_consistent(self):
        if hasattr(self, "redis"):
            self.run(self.check())

    async def check(self):
        places = {
            "queued": await self.redis.zrange("umpire:queued:mock", 0, -1),
            "deferred": await self.redis.zrange("umpire:deferred:mock", 0, -1),
            "processing": await self.redis.zrange("umpire:leases", 0, -1),
        }
        where = Counter(queue_id.decode() for rows in places.values() for queue_id in rows)
        unfinished, ended, size, bodies = set(), set(), 0, 0
        for queue_id in self.admitted:
            record = await self.house.record(queue_id)
            state = record["s"].decode()
            if state in TERMINAL:
                assert where[queue_id] == 0
                assert "b" not in record
                ended.add(queue_id)
            else:
                assert where[queue_id] == 1
                assert queue_id.encode() in places[state]
                assert ("o" in record) == (state == "processing")
                unfinished.add(queue_id)
                size += len(record["b"])
                bodies += len(record["b"])
        assert {row.decode() for row in await self.redis.zrange("umpire:expiry", 0, -1)} == unfinished
        entries = [fields for _, fields in await self.house.entries()]
        assert Counter(fields[b"i"].decode() for fields in entries) == Counter(ended - self.confirmed)
        size += sum(len(fields[b"e"]) for fields in entries)
        assert int(await self.redis.get("umpire:bytes") or 0) == size
        held = await self.redis.hmget("umpire:held", "mock", "mock.bytes")
        assert [int(count or 0) for count in held] == [len(unfinished), bodies]
        await self.check_owners(unfinished, ended)
        today = await self.house.ledger.stats.today()
        assert (today.requests, round(today.cost, 6)) == (len(ended), round(COST * len(ended), 6))

    async def check_owners(self, unfinished, ended):
        """Each key's unfinished requests are counted, and what its ended ones have cost."""
        of = {queue_id: request.owner for queue_id, request in self.admitted.items() if request.owner}
        counts = Counter(of[queue_id] for queue_id in unfinished if queue_id in of)
        assert await self.redis.hgetall("umpire:owned") == {k.encode(): b"%d" % n for k, n in counts.items()}
        spent = await self.redis.hgetall(spent_key(utcnow().date()))
        costs = Counter(of[queue_id] for queue_id in ended if queue_id in of)
        assert {k.decode(): round(float(cost), 6) for k, cost in spent.items()} == {
            k: round(COST * n, 6) for k, n in costs.items()
        }

    async def drain(self):
        """However it stands: what is left comes to an end by the custodian and one worker alone."""
        for _ in range(6):
            await self.house.lapse_now(*self.admitted.values())
            _, poison = await self.sweeps.take_back_lapsed()
            for left in poison:
                await self.house.claims("custodian").finish(
                    end(left.stored.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER)
                )
            for queue_id in self.admitted:
                await self.redis.zadd("umpire:deferred:mock", {queue_id: 1}, xx=True)
            await self.sweeps.push_due(MOCK)
            await asyncio.sleep(0.003)
            await self.sweeps.push_lost(MOCK)
            for claimed in await self.workers["one"].claim(None, more=100):
                await self.workers["one"].finish(end(claimed.stored.queue_id))
        assert (await self.house.ledger.stats.sizes()).unfinished == 0
        await self.check()
        await self.house.confirm(*[entry_id for entry_id, _ in await self.house.entries()])
        assert await self.redis.get("umpire:bytes") in {b"0", None}
        assert not await self.redis.exists("umpire:owned")


def test_each_request_is_in_one_place_ends_once_and_can_always_be_brought_to_an_end(redis_url, monkeypatch):
    monkeypatch.setattr("ledger.sweeps.SUSPECT_SECONDS", 0.0)
    machine = type("Machine", (LedgerMachine,), {"url": redis_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            phases=[Phase.generate],  # to shrink a failure on a real server takes minutes
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
