"""The command as a whole: help, settings, usage, exit codes."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from umpire_cli import ROOT, UMPIRE, environment, umpire

from devtools.servers import poll

#: What the API, a worker or Flower writes once it runs, with Redis and without it.
RUNNING = re.compile("startup complete|Connected to|Cannot connect|Failed to capture events")


def test_help_loads_nothing_heavy() -> None:
    """`umpire --help` answers at once: no pydantic, no Celery, no SDK."""
    code = (
        "import sys, cli.main\n"
        "heavy = {'pydantic', 'celery', 'fastapi', 'confluent_kafka', 'numpy', 'matplotlib', 'redis', 'openai'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    helped = umpire("--help")
    assert helped.returncode == 0
    for command in ("up", "api", "worker", "flower", "compare", "models", "demo", "topics", "tune"):
        assert f" {command} " in helped.stdout


@pytest.mark.parametrize("command", [("up",), ("api",), ("worker",), ("flower",), ("models", "check"), ("tune",)])
def test_a_wrong_environment_is_a_clear_line_each_and_exit_2(command: tuple[str, ...]) -> None:
    done = umpire(*command, UMPIRE_PORT="many", UMPIRE_NO_SUCH="1")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "umpire: UMPIRE_NO_SUCH: unknown setting"
    assert lines[1].startswith("umpire: UMPIRE_PORT: ")
    assert len(lines) == 2


def test_a_wrong_call_is_exit_2() -> None:
    assert umpire("compare", "one.txt").returncode == 2
    assert umpire("worker", "--provider", "nobody").returncode == 2
    assert umpire("worker", "--concurrency", "3").returncode == 2


def test_a_worker_of_a_provider_without_a_key_names_the_setting() -> None:
    done = umpire("worker", "--provider", "openai")
    assert (done.returncode, done.stderr) == (2, "umpire: openai is not enabled; set UMPIRE_OPENAI_API_KEY\n")
    done = umpire("worker", "--provider", "mock", UMPIRE_OPENAI_API_KEY="sk-test")
    assert (done.returncode, done.stderr) == (2, "umpire: mock is not enabled; set UMPIRE_MOCK_ENABLED\n")


def test_flower_without_a_password_does_not_start() -> None:
    done = umpire("flower")
    assert done.returncode == 2
    assert "UMPIRE_FLOWER_BASIC_AUTH is not set" in done.stderr
    done = umpire("flower", UMPIRE_FLOWER_BASIC_AUTH="secretpassword")
    assert done.returncode == 2
    assert "secretpassword" not in done.stderr


@pytest.mark.parametrize("command", [("api",), ("api", "--processes", "2"), ("flower",)])
def test_a_taken_port_is_named(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = umpire(*command, "--port", port, UMPIRE_FLOWER_BASIC_AUTH="a:b")
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is already in use; choose another with --port" in done.stderr


@pytest.mark.redis
@pytest.mark.parametrize(
    "command",
    [("api", "--port", "0"), ("api", "--port", "0", "--processes", "2"), ("worker",), ("worker", "--provider", "mock"),
     ("flower", "--port", "0")],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("redis_is", ["there", "away"])
def test_sigterm_ends_each_command_with_exit_0(
    command: tuple[str, ...], redis_is: str, redis_url: str, tmp_path: Path
) -> None:
    """Soon, too, and also while Redis is away."""
    url = redis_url if redis_is == "there" else "redis://127.0.0.1:1/0"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UMPIRE, *command], cwd=ROOT, stdout=output, stderr=output,
            env=environment(UMPIRE_REDIS_URL=url, UMPIRE_KAFKA_BOOTSTRAP="127.0.0.1:1", UMPIRE_FLOWER_BASIC_AUTH="a:b"),
        )  # fmt: skip
    try:
        poll(lambda: RUNNING.search(log.read_text()), 40, what="a sign of life in its log")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
