"""`umpire api --processes 2`: a child killed under load is replaced, and one scrape tells what all of them counted."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from umpire_cli import ROOT, UMPIRE, alive, environment, get
from umpire_killed_api import answered, kill_each_under_load
from umpire_service import NO_KAFKA

from devtools.servers import free_port, poll

pytestmark = [pytest.mark.redis, pytest.mark.stack]


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
        """Those that serve; the multiprocessing module starts a further process, for itself."""
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


async def test_each_child_killed_under_load_is_replaced_and_no_counter_goes_backwards(running: Running) -> None:
    text = await kill_each_under_load(running.url, lambda: [child.pid for child in running.children()])
    assert answered(text) == answered(get(f"http://127.0.0.1:{running.metrics_port}/metrics")[1].decode())
    assert {*re.findall(r'http_requests_total\{process="([^"]+)"', text)} == {"api-1", "api-2"}


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
