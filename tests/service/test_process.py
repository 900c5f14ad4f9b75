"""The API as operators run it: uvicorn's factory, several processes on one port, SIGTERM."""

import asyncio
import os
import signal
import sys

import httpx2
import pytest
from umpire_service import BODY, NO_KAFKA, Stopwatch, Worker, settings_of

from devtools.servers import ROOT, apoll, free_port

pytestmark = [pytest.mark.redis, pytest.mark.stack]


@pytest.fixture
async def serve(redis_url, tmp_path):
    """Factory: starts uvicorn with `processes` workers; returns its process and a client."""
    started, clients = [], []
    log = tmp_path / "log"

    async def make(processes=1):
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory", "--port", str(port)),
            *("--loop", "uvloop", "--http", "web.connection.protocol:Protocol", "--no-access-log"),
            *("--workers", str(processes)),
            cwd=ROOT,
            env={**os.environ, "UMPIRE_REDIS_URL": redis_url, "UMPIRE_KAFKA_BOOTSTRAP": NO_KAFKA}
            | {"UMPIRE_SPOOL_PATH": str(tmp_path / "spool.sqlite3")},
            stderr=log.open("ab"),
        )
        started.append(process)
        client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
        clients.append(client)

        async def answers():
            try:
                return (await client.get("/healthz")).status_code == 200
            except httpx2.TransportError:
                return False

        await apoll(answers, 60, every=0.1, what="the API answers")
        return process, client

    make.log = log
    yield make
    for client in clients:
        await client.aclose()
    for process in started:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_sigterm_ends_the_waits_with_202_and_loses_nothing(serve, redis_url):
    process, client = await serve()
    worker = Worker(settings_of(redis_url))
    waiting = [asyncio.create_task(client.post("/api/v1/comparison", json=BODY)) for _ in range(5)]

    async def queued():
        return await worker.redis.zcard("umpire:queued:mock") == 5

    await apoll(queued, what="five are queued")
    with Stopwatch() as watch:
        process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*waiting)
        await process.wait()
    assert watch.seconds < 10
    assert {answer.status_code for answer in answers} == {202}
    assert len(await worker.once()) == 5
    await worker.redis.aclose()
    assert "Traceback" not in serve.log.read_text()


async def test_processes_that_share_a_port_each_answer_their_own_clients(serve, redis_url):
    _, client = await serve(processes=2)
    served_by = set()
    async with Worker(settings_of(redis_url)).working() as worker:

        async def both_answered():
            # A new connection each, so that the kernel chooses anew.
            bodies = [{**BODY, "metadata": {"n": n}} for n in range(20)]
            posts = [client.post("/api/v1/comparison", json=body, headers={"Connection": "close"}) for body in bodies]
            answers = await asyncio.gather(*posts)
            assert [answer.status_code for answer in answers] == [200] * 20
            assert [answer.json()["metadata"]["n"] for answer in answers] == list(range(20))
            for answer in answers:
                served_by.add(await worker.redis.hget(f"umpire:req:{answer.json()['queue_id']}", "r"))
            return len(served_by) == 2

        await apoll(both_answered, 30, what="both processes have answered")
