"""Every line of every process is of one form: JSON where JSON was chosen, and without colours but on a terminal."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from umpire_cli import UMPIRE, Up
from umpire_worker import desk, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import ROOT, Process, apoll, clean_environment, free_port, poll, port_open

MOCK = LLMProviderType.MOCK
QUICK = {"UMPIRE_TEST_LEASE_SECONDS": "2", "UMPIRE_TEST_LOST_POINTER_SECONDS": "2"}


def parsed(text: str) -> list[dict[str, Any]]:
    """Raises where a line is no JSON object."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(line.keys() >= {"event", "level", "timestamp", "process"} for line in lines)
    return lines


@pytest.mark.redis
@pytest.mark.kafka
async def test_all_that_a_worker_writes_is_json(redis_server: Callable[..., RedisServer], kafka_bootstrap: str) -> None:
    """Celery's own lines too: of its start, of a lost and a new connection to Redis, and of its stop."""
    redis = redis_server(aof=True)
    async with (
        desk(redis.url, kafka_bootstrap) as at,
        worker(MOCK, UMPIRE_LOG_LEVEL="debug", **QUICK, **at.settings) as works,
    ):
        await at.inbox.until([await at.submit(MOCK)])
        await asyncio.to_thread(redis.restart)
        await apoll(lambda: "Connection to broker lost" in works.log, 30, what="a lost connection")
        await at.inbox.until([await at.submit(MOCK)], 30)
        await asyncio.to_thread(works.process.stop)
        lines = parsed(works.log)
    assert {line["process"] for line in lines} == {"worker.mock"}
    events = [line["event"] for line in lines]
    assert any(event.endswith(" ready.") for event in events)
    stopping = next(line for line in lines if line["event"] == "worker.stopping")
    assert stopping["signal"] == "SIGTERM"


@pytest.mark.redis
def test_all_that_flower_writes_is_json(tmp_path: Path, redis_url: str) -> None:
    port = free_port()
    settings = {"UMPIRE_FLOWER_BASIC_AUTH": "operator:a-password", "UMPIRE_REDIS_URL": redis_url}
    process = Process("flower", [*UMPIRE, "flower", "--port", str(port)], tmp_path / "log", settings)

    def text() -> str:
        return process.log.read_text()

    try:
        process.start(lambda: port_open(port) and "Connected to" in text(), 60)
    finally:
        process.stop()
    lines = parsed(text())
    assert {line["process"] for line in lines} == {"flower"}


@pytest.mark.stack
@pytest.mark.timeout(180)
def test_no_log_file_of_a_stack_has_colours(tmp_path: Path) -> None:
    up = Up(tmp_path / "data", UMPIRE_LOG_FORMAT="console", UMPIRE_LOG_LEVEL="debug", UMPIRE_MOCK_ENABLED="true")
    try:
        up.start()
        up.process.terminate()  # type: ignore[union-attr]
        poll(lambda: up.process.poll() is not None, 60, what="the stack stops")  # type: ignore[union-attr]
        logs = {path.name: path.read_bytes() for path in (up.data_dir / "logs").iterdir()}
        logs["output"] = up.output.read_bytes()
    finally:
        up.discard()
    assert logs.keys() >= {"api.log", "worker-mock.log", "flower.log", "output"}
    assert all(logs[name] for name in ("api.log", "worker-mock.log", "output"))
    assert [name for name, text in logs.items() if b"\x1b" in text] == []


LINE = """
import logging
from contracts.settings import TelemetrySettings
from telemetry.observer import Note
from telemetry.process import start_telemetry

observer, _ = start_telemetry(TelemetrySettings(log_format="console"), "x")
observer(Note("one", "warning", {"provider": "mock"}))
logging.getLogger("celery").warning("two")
"""


@pytest.mark.parametrize(("settings", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_and_a_pipe_none(settings: dict[str, str], coloured: bool) -> None:
    command, environment = [sys.executable, "-c", LINE], {**clean_environment(), **settings}
    piped = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert piped.stderr.count(b"\n") == 2
    assert b"\x1b" not in piped.stderr

    ours, theirs = pty.openpty()
    try:
        subprocess.run(command, cwd=ROOT, env=environment, stderr=theirs, check=True)
        assert (b"\x1b" in os.read(ours, 4096)) is coloured
    finally:
        os.close(theirs)
        os.close(ours)
