"""While Redis is away, the API accepts requests into the spool; afterwards each is in the ledger once."""

import asyncio

import pytest
from umpire_service import SECRET, WAYS, Worker, problem_of, running_api, settings_of

from devtools.servers import apoll

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("way", WAYS)
async def test_requests_accepted_while_redis_is_away_are_judged_once_afterwards(redis_server, way):
    server = redis_server(aof=True)
    away, back = WAYS[way]
    settings = settings_of(server.url, immediate_wait_seconds=0)
    async with running_api(settings) as api:
        away(server)
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(api.post(user_prompt=f"{SECRET} {n}") for n in range(20)))
        assert loop.time() - began < 2, "every request is answered within 2 s"
        assert [answer.status_code for answer in answers] == [202] * 20
        problem_of(await api.post(processing_mode="immediate"), 503, "LLM_PROVIDER_UNAVAILABLE")
        assert (await api.get("/readyz")).status_code == 200
        back(server)
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        accepted = {answer.json()["queue_id"] for answer in answers}
        worker = Worker(settings)
        async with worker.working():
            await apoll(lambda: _outbox_holds(worker, len(accepted)), 20, what="all of it is judged")
        ended = [fields[b"i"].decode() for _, fields in await worker.redis.xrange("umpire:outbox")]
        # The frozen Redis has taken what timed out, too; but nothing twice, and nothing of `immediate`.
        assert sorted(ended) == sorted(accepted)
        await worker.redis.aclose()


@pytest.mark.parametrize("way", ["stopped", "frozen"])
async def test_waiting_clients_get_202_when_redis_goes_away(redis_server, way):
    """202 within 2 s, however long they would have waited. A loaded machine has one second more."""
    server = redis_server(aof=True)
    away, back = WAYS[way]
    async with running_api(settings_of(server.url)) as api:
        waiting = [asyncio.create_task(api.post(headers=headers)) for headers in ({}, {"Prefer": "wait=5"})]
        await apoll(lambda: _backlog(api, 2), what="both are in the ledger")
        loop = asyncio.get_running_loop()
        began = loop.time()
        away(server)
        answers = await asyncio.gather(*waiting)
        assert loop.time() - began < 3
        assert [answer.status_code for answer in answers] == [202, 202]
        assert [answer.headers.get("preference-applied") for answer in answers] == [None, "wait=5"]
        back(server)
        await apoll(
            lambda: not api.dependencies.acceptance.redis_unavailable, 20, what="the API knows that Redis is back"
        )
        for answer in answers:
            assert await api.dependencies.ledger.stats.state(answer.json()["queue_id"]) == "queued"


async def test_a_verdict_reaches_its_client_while_redis_refuses_writes(redis_server):
    """Without memory for new requests, Redis still stores verdicts and announces them: no wait is cut."""
    server = redis_server(aof=True)
    away, back = WAYS["out of memory"]
    settings = settings_of(server.url)
    worker = Worker(settings)
    async with running_api(settings) as api:
        waiting = asyncio.create_task(api.post())
        await apoll(lambda: _backlog(api, 1), what="it is in the ledger")
        (claimed,) = await worker.claims.claim(None, more=1)
        away(server)
        assert (await api.post(processing_mode="queue")).status_code == 202
        assert api.dependencies.acceptance.redis_state == "refusing writes"
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await worker.finish(claimed)
        assert (await waiting).status_code == 200
        back(server)
    await worker.redis.aclose()


@pytest.mark.parametrize("way", ["out of memory", "read-only"])
async def test_a_redis_that_refuses_writes_is_reported_and_spooled_for(redis_server, way):
    server = redis_server(aof=True)
    away, back = WAYS[way]
    async with running_api(settings_of(server.url, immediate_wait_seconds=0, spool={"queue_max_size": 10})) as api:
        away(server)
        ready = await api.get("/readyz")
        assert (ready.status_code, _redis(ready)) == (200, "refusing writes"), "the spool takes what comes"
        answers = [(await api.post()) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [202] * 8 + [503] * 4
        assert api.dependencies.acceptance.redis_unavailable
        ready = await api.get("/readyz")
        assert (ready.status_code, _redis(ready)) == (503, "refusing writes")
        alive = await api.get("/healthz")
        assert (alive.status_code, _redis(alive)) == (200, "refusing writes")
        await asyncio.sleep(1)
        assert len(api.notes.named("ledger.away")) == 1, "logged once, though Redis answers a ping"
        assert not api.notes.named("ledger.back")
        back(server)
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        for path in ("/readyz", "/healthz"):
            answer = await api.get(path)
            assert (answer.status_code, _redis(answer)) == (200, "up")
        assert not await api.dependencies.ledger._redis.exists("umpire:nothing")


async def test_an_outage_of_redis_is_logged_once(redis_server):
    server = redis_server()
    async with running_api(settings_of(server.url, immediate_wait_seconds=0, spool={"queue_max_size": 100_000})) as api:
        server.kill()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < 2:
            assert (await api.post()).status_code == 202
        warnings = sorted(note.what for note in api.notes if note.level == "warning")
        warned = [what for what in warnings if not what.startswith("kafka.")]  # there is none here
        assert len(warned) == len(set(warned)), warned
        assert "ledger.away" in warned


async def test_a_full_spool_refuses_until_it_has_drained(redis_server):
    server = redis_server(aof=True)
    server.kill()
    async with running_api(settings_of(server.url, immediate_wait_seconds=0, spool={"queue_max_size": 10})) as api:
        answers = [(await api.post()) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [202] * 8 + [503] * 4
        problem_of(answers[-1], 503, "LLM_QUEUE_FULL")
        assert int(answers[-1].headers["retry-after"]) >= 1
        ready = await api.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["dependencies"]["spool"]["state"] == "full"
        server.start()
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        assert (await api.post()).status_code == 202


async def test_requests_refused_by_a_full_spool_are_not_accepted_when_redis_resumes(redis_server):
    """Redis froze with requests in its socket."""
    server = redis_server(aof=True)
    settings = settings_of(server.url, immediate_wait_seconds=0, spool={"queue_max_size": 10, "spool_drain_rate": 40})
    async with running_api(settings) as api:
        answers = []

        async def client():
            while not answers or answers[-1].status_code == 202:
                answers.append(await api.post(processing_mode="queue"))

        clients = [asyncio.create_task(client()) for _ in range(40)]
        await apoll(lambda: len(answers) > 100, 20, what="a busy API")
        server.pause()
        await asyncio.gather(*clients)
        server.resume()
        accepted = {answer.json()["queue_id"] for answer in answers if answer.status_code == 202}
        assert sum(answer.status_code == 503 for answer in answers) >= 10
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        redis = api.dependencies.ledger._redis
        assert {one.decode() for one in await redis.zrange("umpire:expiry", 0, -1)} == accepted


async def test_the_spool_is_drained_at_a_bounded_rate(redis_server):
    """A Redis that has just come back is not flooded."""
    server = redis_server(aof=True)
    server.kill()
    settings = settings_of(server.url, immediate_wait_seconds=0, spool={"spool_drain_rate": 40})
    async with running_api(settings) as api:
        answers = await asyncio.gather(*(api.post() for _ in range(60)))
        assert {answer.status_code for answer in answers} == {202}
        server.start()
        loop = asyncio.get_running_loop()
        await apoll(lambda: _spooled_fewer_than(api, 60), 20, what="it begins")
        began = loop.time()
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        assert loop.time() - began > 50 / 40 * 0.7
        assert await _backlog(api, 60)


async def test_a_request_that_this_version_cannot_read_does_not_stop_the_drain(redis_server):
    """A newer version accepted it before a rollback. The spool keeps it for that version."""
    server = redis_server(aof=True)
    server.kill()
    settings = settings_of(server.url, immediate_wait_seconds=0)
    async with running_api(settings) as api:
        first, *others = [(await api.post()).json()["queue_id"] for _ in range(4)]

        def spoil(file):
            file.execute(
                "UPDATE request SET body = replace(CAST(body AS TEXT), '\"mock\"', '\"newer\"') WHERE queue_id = ?",
                (first,),
            )

        await api.dependencies.spool._do(spoil)
        server.start()
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        assert await _backlog(api, len(others))
        (note,) = api.notes.named("record.unreadable")
        assert note.fields["queue_id"] == first

        def restore(file):
            file.execute("UPDATE unreadable SET body = replace(CAST(body AS TEXT), '\"newer\"', '\"mock\"')")

        await api.dependencies.spool._do(restore)
    async with running_api(settings) as api:
        await apoll(lambda: _backlog(api, 4), 20, what="the next start reads it")


async def test_the_next_process_drains_what_a_dead_one_left_without_a_duplicate(redis_server):
    """The first process dies after it wrote the requests to the ledger and before it removed them from the spool."""
    server = redis_server(aof=True)
    server.kill()
    settings = settings_of(server.url, immediate_wait_seconds=0)
    async with running_api(settings) as api:
        answers = [(await api.post()) for _ in range(5)]
    server.start()
    async with running_api(settings) as api:

        async def keep(_):
            return None

        api.dependencies.spool.remove = keep
        await apoll(lambda: _backlog(api, 5), 20, what="the ledger has them")
    async with running_api(settings) as api:
        await apoll(lambda: _is_empty(api), 20, what="the spool has drained")
        assert await _backlog(api, 5)
        for answer in answers:
            assert await api.dependencies.ledger.stats.state(answer.json()["queue_id"]) == "queued"


def _redis(answer):
    return answer.json()["dependencies"]["redis"]["state"]


async def _is_empty(api):
    return (await api.dependencies.spool.size()).requests == 0


async def _spooled_fewer_than(api, count):
    return (await api.dependencies.spool.size()).requests < count


async def _backlog(api, count):
    backlogs = await api.dependencies.ledger.stats.backlogs(api.settings.enabled)
    return sum(backlog.queued for backlog in backlogs.values()) == count


async def _outbox_holds(worker, count):
    return await worker.redis.xlen("umpire:outbox") >= count
