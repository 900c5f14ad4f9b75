"""`umpire worker` without a provider: a child for each."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from umpire_cli import ROOT, UMPIRE, alive, environment, get
from umpire_servers import free_port, poll


@pytest.mark.stack
def test_each_enabled_provider_has_a_child_that_is_started_again_and_stops(redis_url: str, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    settings = {
        "UMPIRE_REDIS_URL": redis_url, "UMPIRE_KAFKA_BOOTSTRAP": "127.0.0.1:1", "UMPIRE_METRICS_PORT": str(port),
        "UMPIRE_MOCK_ENABLED": "true", "UMPIRE_OPENAI_API_KEY": "sk-test",
    }  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UMPIRE, "worker"], cwd=ROOT, env=environment(**settings), stdout=output, stderr=output
        )
    seen: list[psutil.Process] = []
    try:
        poll(lambda: "workers are ready: openai, mock" in log.read_text(), 60)
        seen += psutil.Process(process.pid).children()
        assert len(seen) == 2
        # One port of metrics each: they cannot share one.
        assert [get(f"http://127.0.0.1:{port + index}/metrics")[0] for index in range(2)] == [200, 200]
        seen[0].kill()
        poll(lambda: "is ready again" in log.read_text(), 40)
        seen += psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert not [child for child in seen if alive(child)]
        assert "sk-test" not in log.read_text()
    finally:
        for child in [*seen, process]:
            if child.poll() is None if isinstance(child, subprocess.Popen) else alive(child):
                child.kill()
