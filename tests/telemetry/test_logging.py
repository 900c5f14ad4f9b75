"""Every line that is written while a comparison runs names it, whoever writes it."""

import json
import subprocess
import sys

from devtools.servers import ROOT, clean_environment

START = """
import asyncio, logging
from contracts.settings import TelemetrySettings
from telemetry.logging import Bound
from telemetry.observer import Note
from telemetry.process import start_telemetry
tell, _ = start_telemetry(TelemetrySettings(), "worker.test")
"""


def lines(code):
    """What a process that does this writes, by its event."""
    done = subprocess.run(
        [sys.executable, "-c", START + code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    return {line["event"]: line for line in map(json.loads, done.stderr.splitlines())}


def test_a_line_names_what_is_bound_and_no_longer():
    found = lines("""
with Bound(queue_id="q", trace_id=None):
    tell(Note("one", "info", labels={"provider": "mock"}))
    with Bound(correlation_id="c"):
        logging.getLogger("celery").warning("two")
    tell(Note("three", "info"))
tell(Note("four", "info"))
""")
    assert found["one"]["queue_id"] == "q"
    assert found["one"]["provider"] == "mock"
    assert "trace_id" not in found["one"]
    assert [found["two"][name] for name in ("queue_id", "correlation_id", "process")] == ["q", "c", "worker.test"]
    assert found["three"]["queue_id"] == "q"
    assert "correlation_id" not in found["three"]
    assert "queue_id" not in found["four"]


def test_comparisons_at_the_same_time_are_told_apart():
    found = lines("""
async def run(name):
    with Bound(queue_id=name):
        await asyncio.sleep(0.01)
        tell(Note(name, "info"))
async def both():
    await asyncio.gather(run("a"), run("b"))
asyncio.run(both())
""")
    assert {name: line["queue_id"] for name, line in found.items()} == {"a": "a", "b": "b"}
