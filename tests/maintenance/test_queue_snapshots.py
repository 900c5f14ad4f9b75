"""A line of the log says how full the queue is: of one process, and of the spool while Redis is away."""

import json
import sys
from uuid import uuid4

import pytest
from umpire_service import NO_KAFKA, Worker, running_api, settings_of
from umpire_worker import START_SECONDS

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import Process, apoll, poll
from ledger.redis.connection import connect
from ledger.spool import Spool
from ledger.stats import LedgerStats
from maintenance.queue_snapshots import QueueSnapshots
from telemetry.observer import Note

pytestmark = pytest.mark.redis

#: A worker whose snapshots come soon.
WORKER = """
import sys
from cli.main import main
from maintenance import queue_snapshots
queue_snapshots.PERIOD_SECONDS = 0.2
sys.argv[1:] = ["worker", "--provider", "mock"]
main()
"""


def snapshots(process: Process) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    return [line for line in lines if line["event"] == "queue_metrics_snapshot"]


async def test_it_counts_what_is_held_and_what_waits(redis_url: str) -> None:
    settings = settings_of(redis_url, ledger={"ledger_max_size": 4}, spool={"queue_max_size": 8})
    worker, seen, mode = Worker(settings), list[Note](), "redis"
    client = connect(redis_url, timeout=2.0)
    stats = LedgerStats(client, settings.ledger, timeout=1.0)
    spool = Spool(settings.spool, owner="test")
    duty = QueueSnapshots(stats, settings.enabled, mode=lambda: mode, observer=seen.append, spool=spool)
    async with running_api(settings) as api:
        for _ in range(3):
            assert (await api.post(processing_mode="queue")).status_code == 202
        (claimed,) = await worker.claims.claim(None, more=1)
        await duty.run_once()
        assert (await api.post(processing_mode="queue")).status_code == 202
        await duty.run_once()
    await spool.put(claimed.stored)
    mode = "spool"
    await duty.run_once()
    assert [(note.what, note.level, note.labels["mode"]) for note in seen] == [
        ("queue_metrics_snapshot", "info", mode) for mode in ("redis", "redis", "spool")
    ]
    assert [note.fields for note in seen] == [
        {"size": 3, "queued": 2, "usage_percent": 75.0, "accepting": True},
        {"size": 4, "queued": 3, "usage_percent": 100.0, "accepting": False},
        # Its high watermark is 0.8 of eight.
        {"size": 1, "queued": 1, "usage_percent": 15.6, "accepting": True},
    ]
    await spool.close()
    await client.aclose()
    await worker.redis.aclose()


async def test_a_redis_that_does_not_answer_ends_no_duty_and_says_nothing(redis_server) -> None:
    server: RedisServer = redis_server()
    client, seen = connect(server.url, timeout=0.5), list[Note]()
    settings = settings_of(server.url)
    duty = QueueSnapshots(
        LedgerStats(client, settings.ledger, timeout=1.0),
        list(LLMProviderType),
        mode=lambda: "redis",
        observer=seen.append,
    )
    server.kill()
    await duty.run_once()
    assert [(note.what, note.level) for note in seen] == [("queue_metrics_unread", "debug")]
    await client.aclose()


async def test_the_door_reports_where_no_worker_is_and_its_spool_while_redis_is_away(redis_server, monkeypatch) -> None:
    monkeypatch.setattr("maintenance.queue_snapshots.PERIOD_SECONDS", 0.1)
    server: RedisServer = redis_server(aof=True)
    async with running_api(settings_of(server.url, immediate_wait_seconds=0)) as api:

        def modes() -> list[str]:
            return [note.labels["mode"] for note in api.notes.named("queue_metrics_snapshot")]

        await apoll(lambda: "redis" in modes(), 20, what="the ledger's")
        server.kill()
        assert (await api.post(processing_mode="queue")).status_code == 202
        await apoll(lambda: "spool" in modes(), 20, what="the spool's")
        assert api.notes.named("queue_metrics_snapshot")[-1].fields["size"] == 1


def test_of_two_workers_one_reports(redis_url: str, tmp_path) -> None:
    settings = {"UMPIRE_REDIS_URL": redis_url, "UMPIRE_KAFKA_BOOTSTRAP": NO_KAFKA, "UMPIRE_MOCK_ENABLED": "true"}
    settings["UMPIRE_TOPIC_PREFIX"] = f"t{uuid4().hex[:8]}."
    workers = [Process(name, [sys.executable, "-c", WORKER], tmp_path / name, settings) for name in ("one", "other")]
    try:
        for each in workers:
            each.start(lambda log=each.log: " ready." in log.read_text(), START_SECONDS)
        # Enough for the other to have spoken too, were it not silent.
        poll(lambda: max(len(snapshots(each)) for each in workers) >= 10, 30, what="ten snapshots of one of them")
        assert min(len(snapshots(each)) for each in workers) == 0
    finally:
        for each in workers:
            each.kill()
