"""How long the processes take to start, and which provider SDKs they load on the way."""

import re
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import ROOT
from benchmarks.load import run_load
from benchmarks.stack import START_SECONDS, Servers
from benchmarks.tools import Tools
from devtools.servers import Process, clean_environment, free_port, poll

SDKS = frozenset({"anthropic", "openai", "google.genai"})
PAIRS, STARTS = 7, 3
#: Through the API and the worker, so that what is loaded on first use is loaded.
REQUESTS = 20
_IMPORTED = re.compile(r"^import time:\s*\d+ \|\s*\d+ \|\s*(\S+)$", re.MULTILINE)


def starting(servers: Servers, tools: Tools) -> dict[str, Any]:
    servers.reset(upstream_ms=20)
    return {
        "import_seconds": _import_seconds("service.app"),
        "worker_ready_seconds": statistics.median(_ready_seconds(servers) for _ in range(STARTS)),
        **_sdks(servers, tools),
    }


def _import_seconds(module: str) -> float:
    """Over what a Python takes that imports nothing; the two alternate. The first pair only compiles."""
    walls: dict[str, list[float]] = {"pass": [], f"import {module}": []}
    for pair in range(PAIRS + 1):
        for code, found in walls.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), check=True, timeout=60)
            if pair:
                found.append(time.perf_counter() - began)
    nothing, it = (statistics.median(found) for found in walls.values())
    return it - nothing


def _ready_seconds(servers: Servers) -> float:
    """From the start of the process until it consumes."""
    began = time.time()
    with _worker(servers) as (_, ready_at):
        return ready_at - began


@contextmanager
def _worker(servers: Servers, *python: str) -> Iterator[tuple[Process, float]]:
    """A worker that consumes, and the time when it became ready."""
    name = f"starting-{uuid.uuid4().hex}"
    ready = servers.folder / f"{name}.ready"
    command = [sys.executable, *python, "-m", "cli.main", "worker", "--provider", "anthropic"]
    process = servers.process(name, [*command, "--ready-file", str(ready)], **servers.environment(slots=64))
    process.start(ready.exists, deadline=START_SECONDS)
    try:
        yield process, ready.stat().st_mtime
    finally:
        process.stop()


def _sdks(servers: Servers, tools: Tools) -> dict[str, int]:
    """How many SDKs each process has loaded, as the interpreter reports."""
    trace, topic = ("-X", "importtime"), f"benchmark.starting.{uuid.uuid4().hex}"
    servers.create_topic(topic)
    calls, port = servers.upstream_stats()["calls"], free_port()
    command = [sys.executable, *trace, "-m", "cli.main", "api", "--port", str(port)]
    api = servers.process(f"starting-{uuid.uuid4().hex}", command, **servers.environment(slots=64))
    url = f"http://127.0.0.1:{port}"
    api.start(lambda: servers.answers(f"{url}/healthz"), deadline=START_SECONDS)
    try:
        run_load(tools, url, topic, servers.folder, n=REQUESTS, connections=1).all_accepted(REQUESTS)
        with _worker(servers, *trace) as (worker, _):
            before = _loaded(worker)
            poll(lambda: servers.upstream_stats()["calls"] >= calls + REQUESTS, 30, what="all calls")
            after = _loaded(worker)
        return {
            "api_sdks": len(_loaded(api)),
            "worker_sdks_when_ready": len(before),
            "worker_foreign_sdks": len(after - {"anthropic"}),
        }
    finally:
        api.stop()


def _loaded(process: Process) -> frozenset[str]:
    return SDKS & set(_IMPORTED.findall(process.log.read_text(errors="replace")))
