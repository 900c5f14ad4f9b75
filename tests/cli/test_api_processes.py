"""`umpire api --processes 2`: a child killed under load is replaced, and one scrape tells what all of them counted."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from umpire_cli import ROOT, UMPIRE, alive, environment, get
from umpire_servers import apoll, free_port, poll
from umpire_service import NO_KAFKA

pytestmark = [pytest.mark.redis, pytest.mark.stack]

ROUTE = "/api/v1/comparison"
BODY = {"user_prompt": "x", "callback_topic": "t", "processing_mode": "queue"}
SCRAPES = 100


class Running:
    def __init__(self, redis_url: str, directory: Path) -> None:
        self.port, self.log = free_port(), directory / "log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.metrics_port = free_port()
        settings = {
            "UMPIRE_REDIS_URL": redis_url, "UMPIRE_KAFKA_BOOTSTRAP": NO_KAFKA, "UMPIRE_OPENAI_API_KEY": "sk-secret",
            "UMPIRE_SPOOL_PATH": str(directory / "spool.sqlite3"), "UMPIRE_METRICS_PORT": str(self.metrics_port),
        }  # fmt: skip
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*UMPIRE, "api", "--processes", "2", "--port", str(self.port)],
                cwd=ROOT, env=environment(**settings), stdout=output, stderr=output,
            )  # fmt: skip
        poll(lambda: f"2 API processes on port {self.port}" in self.log.read_text(), 60, what="both are ready")
        self.seen: list[psutil.Process] = []

    def children(self) -> list[psutil.Process]:
        """Those that serve; multiprocessing has one of its own beside them."""
        if self.process.poll() is not None:
            return []
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.seen += found
        return [child for child in found if _serves(child)]


def _serves(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.Error:  # it has just ended
        return False


@pytest.fixture
def running(redis_url: str, tmp_path: Path) -> Iterator[Running]:
    made = Running(redis_url, tmp_path)
    try:
        yield made
    finally:
        made.children()
        made.process.kill()
        made.process.wait()
        for child in made.seen:
            if alive(child):
                child.kill()


def series_of(text: str) -> dict[tuple[str, ...], float]:
    """Counters, and the parts of histograms that count."""
    return {
        (sample.name, *map(str, sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in {"counter", "histogram"}
        for sample in family.samples
    }


def answered(text: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "llm_provider_http_requests_total" and sample.labels["route"] == ROUTE
    )


async def test_a_child_killed_under_load_is_replaced_and_no_counter_goes_backwards(running: Running) -> None:
    counted: Counter[int] = Counter()
    lost = 0
    stop = asyncio.Event()

    async def client() -> None:
        nonlocal lost
        while not stop.is_set():
            async with httpx2.AsyncClient(base_url=running.url, timeout=20) as one:
                with contextlib.suppress(httpx2.TransportError):
                    for _ in range(20):
                        answer = await one.post(ROUTE, json=BODY)
                        counted[answer.status_code] += 1
                        if stop.is_set():
                            return
                    continue
                lost += 1

    clients = [asyncio.create_task(client()) for _ in range(6)]
    first = running.children()
    assert len(first) == 2
    before: dict[tuple[str, ...], float] = {}
    killed_at = 0.0
    for number in range(SCRAPES):
        if number == SCRAPES // 3:
            os.kill(first[0].pid, signal.SIGKILL)
            killed_at = time.monotonic()
        try:
            async with httpx2.AsyncClient(timeout=20) as scraper:
                text = (await scraper.get(f"{running.url}/metrics")).text
        except httpx2.TransportError:
            continue  # the killed one had accepted it
        now = series_of(text)
        backwards = {key: (value, now.get(key)) for key, value in before.items() if now.get(key, -1) < value}
        assert not backwards
        before = now
        await asyncio.sleep(0.03)
    await apoll(lambda: len(running.children()) == 2 and first[0] not in running.children(), 30, what="a successor")
    assert time.monotonic() - killed_at < 30
    stop.set()
    await asyncio.gather(*clients)
    assert counted.keys() == {202}, counted
    assert lost <= 12  # those whose process was killed, in the middle of a request

    async def settled() -> str:
        async with httpx2.AsyncClient(timeout=20) as scraper:
            text = (await scraper.get(f"{running.url}/metrics")).text
        return text if answered(text) >= counted[202] else ""

    text = await apoll(settled, 10, what="the counters' sum is the clients' own count")
    # One that was killed may have counted an answer that did not reach its client any more.
    assert counted[202] <= answered(text) <= counted[202] + lost
    assert answered(text) == answered(get(f"http://127.0.0.1:{running.metrics_port}/metrics")[1].decode())
    assert {*re.findall(r'http_requests_total\{process="([^"]+)"', text)} == {"api-1", "api-2"}
    await apoll(
        lambda: (
            get(f"{running.url}/metrics")[1].count(b"process_up{") == 2
            and b'process_up{process="api-1"} 1.0' in get(f"{running.url}/metrics")[1]
            and b'process_up{process="api-2"} 1.0' in get(f"{running.url}/metrics")[1]
        ),
        30,
        what="both run",
    )


def test_a_killed_child_is_replaced_again_and_again(running: Running) -> None:
    """Our own supervisor closed its socket, and each further start read a closed one."""
    for _ in range(3):
        before = running.children()
        before[0].kill()
        poll(lambda: len({*running.children()} - {*before}) == 1, 30, what="a successor")  # noqa: B023 - called here
        poll(lambda: get(f"{running.url}/healthz")[0] == 200, 30)
    assert running.process.poll() is None
    assert "sk-secret" not in running.log.read_text()
    assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all(running: Running, number: signal.Signals) -> None:
    running.children()
    running.process.send_signal(number)
    assert running.process.wait(40) == 0
    # multiprocessing's own helper ends once it notices.
    poll(lambda: not [child for child in running.seen if alive(child)], 5, what="nothing is left")


def test_a_killed_supervisor_leaves_nothing(running: Running) -> None:
    running.children()
    running.process.kill()
    running.process.wait()
    poll(lambda: not [child for child in running.seen if alive(child)], 10, what="nothing is left")
