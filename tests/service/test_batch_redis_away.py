"""A batch while Redis is away: each comparison is accepted, or refused for good. Nothing that was refused is judged."""

import asyncio

import pytest
from umpire_batch import KEY, comparisons, items_of, post
from umpire_service import WAYS, Worker, running_api, settings_of

from devtools.servers import apoll

pytestmark = pytest.mark.redis


async def judged(settings, at_least):
    worker = Worker(settings)
    async with worker.working():

        async def all_of_them():
            return await worker.redis.xlen("umpire:outbox") >= at_least and not await worker.redis.zcard(
                "umpire:expiry"
            )

        await apoll(all_of_them, 20, what="all of it is judged")
        return [fields[b"i"].decode() for _, fields in await worker.redis.xrange("umpire:outbox")]


async def drained(api):
    async def empty():
        return not (await api.dependencies.spool.size()).requests and not api.dependencies.acceptance.redis_unavailable

    await apoll(empty, 20, what="the spool has drained")


@pytest.mark.parametrize("way", WAYS)
async def test_what_fits_goes_to_the_spool_and_the_rest_is_refused(redis_server, way):
    server = redis_server(aof=True)
    away, back = WAYS[way]
    settings = settings_of(server.url, spool={"queue_max_size": 100})
    async with running_api(settings) as api:
        known = items_of(await post(api, comparisons(3), KEY), 202, 3, 0)
        away(server)
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await post(api, comparisons(100))
        assert loop.time() - began < 2, "answered within 2 s"
        items = items_of(answer, 207, 80, 20)
        assert {item.error.error_code.value for item in items if item.error} == {"LLM_QUEUE_FULL"}
        refused = await post(api, comparisons(3), KEY)
        assert refused.status_code == 503
        assert {item["error"]["error_code"] for item in refused.json()["items"]} == {"LLM_INTERNAL_ERROR"}
        new = await post(api, comparisons(5), {"Idempotency-Key": "another"})
        assert new.status_code == 503
        back(server)
        await drained(api)
        again = items_of(await post(api, comparisons(3), KEY), 202, 3, 0)
        assert [item.queue_id for item in again] == [item.queue_id for item in known]
        ended = await judged(settings, 83)
    accepted = {str(item.queue_id) for item in [*known, *items] if item.queue_id}
    assert sorted(ended) == sorted(accepted)


@pytest.mark.parametrize("way", ["stopped", "frozen"])
async def test_batches_on_their_way_when_redis_goes_away_are_in_once(redis_server, way):
    """Redis may have accepted a batch whose answer it did not send. Without a key, the spool has its queue ids;
    with one, the batch is refused, and gets those queue ids when it is sent again.
    """
    server = redis_server(aof=True)
    away, back = WAYS[way]
    settings = settings_of(server.url)
    async with running_api(settings) as api:
        answers, refused = [], []

        async def client(name):
            while not refused:
                headers = {"Idempotency-Key": f"{name}-{len(answers)}"} if name % 2 else {}
                answer = await post(api, comparisons(20), headers)
                (answers if answer.status_code == 202 else refused).append(answer)
                if answer.status_code == 503:
                    await apoll(lambda: back_again, what="redis is back")
                    answers.append(await post(api, comparisons(20), headers))

        back_again = False
        clients = [asyncio.create_task(client(name)) for name in range(6)]
        await apoll(lambda: len(answers) > 20, what="a busy API")
        away(server)
        await apoll(lambda: refused, what="a refusal")
        back(server)
        await drained(api)
        back_again = True
        await asyncio.gather(*clients)
        accepted = [item.queue_id for answer in answers for item in items_of(answer, 202, 20, 0)]
        ended = await judged(settings, len(accepted))
    assert sorted(ended) == sorted(map(str, accepted))


async def test_a_spool_that_cannot_be_written_refuses_each(redis_server, tmp_path):
    server = redis_server(aof=True)
    (tmp_path / "file").write_text("no directory")
    async with running_api(settings_of(server.url, spool={"spool_path": tmp_path / "file" / "s.sqlite3"})) as api:
        server.kill()
        answer = await post(api, comparisons(3))
        assert answer.status_code == 503
        assert [item["error"]["status"] for item in answer.json()["items"]] == [503] * 3
