"""`umpire worker`: a child for each process, where there are several; and as many calls as it was told."""

import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from umpire_cli import ROOT, UMPIRE, alive, environment, get
from umpire_worker import desk, reach, worker

from contracts.enums import LLMProviderType
from devtools.servers import apoll, free_port, poll
from devtools.upstream import hang, upstream


def processes_up(port: int) -> dict[str, float]:
    """By the one port of all of them."""
    text = get(f"http://127.0.0.1:{port}/metrics")[1].decode()
    return {name: float(value) for name, value in re.findall(r'process_up\{process="([^"]+)"\} (\S+)', text)}


@pytest.mark.stack
@pytest.mark.parametrize(
    ("arguments", "more", "told", "children"),
    [
        ((), {"UMPIRE_OPENAI_API_KEY": "sk-test"}, "openai, mock", 2),
        (("--provider", "mock", "--processes", "2", "--concurrency", "3"), {}, "mock-1, mock-2", 2),
        (
            ("--provider", "mock"),
            {"UMPIRE_MOCK_PROCESSES": "2", "UMPIRE_OPENAI_API_KEY": "sk-test"},
            "mock-1, mock-2",
            2,
        ),
        ((), {"UMPIRE_MOCK_PROCESSES": "2", "UMPIRE_OPENAI_API_KEY": "sk-test"}, "openai, mock-1, mock-2", 3),
    ],
    ids=["each provider", "by options", "by the setting", "both"],
)
def test_each_process_is_a_child_that_is_started_again_and_stops(
    redis_url: str, tmp_path: Path, arguments: tuple[str, ...], more: dict[str, str], told: str, children: int
) -> None:
    port, log = free_port(), tmp_path / "log"
    at = f"http://127.0.0.1:{port}"
    names = {name if name[-1].isdigit() else f"{name}-1" for name in told.split(", ")}
    settings = {
        "UMPIRE_REDIS_URL": redis_url, "UMPIRE_KAFKA_BOOTSTRAP": "127.0.0.1:1", "UMPIRE_METRICS_PORT": str(port),
        "UMPIRE_MOCK_ENABLED": "true", **more,
    }  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UMPIRE, "worker", *arguments], cwd=ROOT, env=environment(**settings), stdout=output, stderr=output
        )
    seen: list[psutil.Process] = []
    try:
        poll(lambda: f"workers are ready: {told}\n" in log.read_text(), 60)
        seen += psutil.Process(process.pid).children()
        assert len(seen) == children
        if "--concurrency" in arguments:
            assert all("--concurrency 3" in " ".join(child.cmdline()) for child in seen)
        assert processes_up(port) == {f"worker-{name}": 1.0 for name in names}
        poll(lambda: (get(f"{at}/healthz")[0], get(f"{at}/readyz")[0]) == (200, 200), 20)
        assert [get(f"http://127.0.0.1:{port + 1 + index}/metrics")[0] for index in range(children)] == [200] * children
        seen[0].suspend()  # its loop hangs
        poll(lambda: get(f"{at}/healthz")[0] == 503, 20, what="the liveness of a worker that hangs")
        assert sorted(processes_up(port).values()) == [0.0, *[1.0] * (children - 1)]
        seen[0].kill()
        poll(lambda: get(f"{at}/healthz")[0] == 200, 20)
        poll(lambda: "is ready again" in log.read_text(), 40)
        poll(lambda: get(f"{at}/readyz")[0] == 200, 20)
        assert processes_up(port) == {f"worker-{name}": 1.0 for name in names}
        seen += psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not [child for child in seen if alive(child)]
        assert "sk-test" not in log.read_text()
    finally:
        for child in [*seen, process]:
            if child.poll() is None if isinstance(child, subprocess.Popen) else alive(child):
                child.kill()


@pytest.mark.redis
@pytest.mark.kafka
async def test_as_many_calls_as_concurrency_says_are_upstream_at_a_time(redis_url: str, kafka_bootstrap: str) -> None:
    """More than the configured slots: the pool of connections grows with them."""
    provider = LLMProviderType.ANTHROPIC
    async with desk(redis_url, kafka_bootstrap) as at, upstream(hang) as up:
        settings = {**at.settings, **reach(provider, up.url), "UMPIRE_ANTHROPIC_CONCURRENCY": "2"}
        async with worker(provider, "--concurrency", "12", **settings):
            for _ in range(14):
                await at.submit(provider)
            await apoll(lambda: up.open_connections == 12, 40, what="a call in each of 12 slots")
