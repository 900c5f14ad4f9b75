"""`umpire up`, for real: what it tells, what it mends, and what it leaves."""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from umpire_cli import UMPIRE, Up, alive, environment, get, is_pid_alive, umpire
from umpire_killed_api import kill_each_under_load

from cli.client.api_client import ApiClient
from cli.client.prompt import comparison_prompt
from cli.demo.batch import Batch, judge_all
from contracts.settings import KafkaSettings
from devtools.servers import ROOT, ServerMissing, poll

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

MakeUp = Callable[..., Up]


def judged(up: Up) -> dict[str, Any]:
    """A verdict by way of the whole stack. A door that has just been without Redis may answer 202 for a moment."""
    client = ApiClient(up.stack["api"])

    def ask() -> dict[str, Any] | None:
        answer = client.compare({"user_prompt": comparison_prompt("One.", "Two."), "callback_topic": "t"})
        assert answer.status in {200, 202}, answer.body
        return answer.body if answer.status == 200 else None

    body = poll(ask, 20)
    client.close()
    assert body is not None
    return body


def replaced(up: Up, old: int, new: Callable[[dict[str, Any]], int | None]) -> int:
    """The pid that stack.json tells in place of a dead one."""

    def look() -> int | None:
        pid = new(up.stack["pids"])
        return pid if pid and pid != old and is_pid_alive(pid) else None

    found = poll(look, 30, what="a successor in stack.json")
    assert found
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One stack for tests that only look."""
    made = Up(tmp_path_factory.mktemp("shared") / "data")
    try:
        yield made.start()
    finally:
        made.discard()


def test_stack_json_is_true_and_private_and_everything_it_names_answers(shared: Up) -> None:
    running = shared
    stack = running.stack
    assert set(stack) == {"api", "flower", "redis", "kafka", "metrics", "pids", "flower_auth"}
    assert set(stack["pids"]) == {"api", "workers", "redis", "kafka", "flower"}
    assert stat.S_IMODE((running.data_dir / "stack.json").stat().st_mode) == 0o600
    assert all(psutil.pid_exists(pid) for pid in running.pids)
    assert set(running.pids) == {child.pid for child in running.descendants()}
    assert get(f"{stack['api']}/readyz")[0] == 200
    assert get(stack["flower"])[0] == 401
    assert get(stack["flower"], stack["flower_auth"])[0] == 200
    assert judged(running)["provider"] == "mock"


def test_one_scrape_tells_all_parts_that_count(shared: Up) -> None:
    url, flower = shared.stack["metrics"]
    judged(shared)
    text = get(url)[1].decode()
    assert {*re.findall(r'process_up\{process="([^"]+)"\} 1.0', text)} == {"api-1", "worker-mock-1"}
    assert 'llm_provider_comparisons_total{process="worker-mock-1",provider="mock",status="completed"}' in text
    assert 'llm_provider_admitted_total{process="api-1",provider="mock"}' in text
    assert 'llm_provider_workers_alive{provider="mock"} 1.0' in text  # shared state belongs to no process
    assert f"metrics {url}   {flower}" in shared.text


def test_flower_has_metrics_of_its_own(shared: Up) -> None:
    _, url = shared.stack["metrics"]
    judged(shared)

    def told() -> bool:
        text = get(url)[1].decode()
        return 'task="tasks.compare"' in text and "process_cpu_seconds_total" in text

    poll(told, 20, what="the tasks that Flower has seen, and its process")
    text = get(url)[1].decode()
    assert re.search(r'llm_provider_build_info\{python="3[.0-9]+",version="[^"]+"\} 1.0', text)
    assert "llm_provider_comparisons_total" not in text  # or all would be counted twice
    pid = shared.stack["pids"]["flower"]
    seconds = psutil.Process(pid).create_time()
    (started,) = re.findall(r"^process_start_time_seconds (\S+)", text, re.MULTILINE)
    assert abs(float(started) - seconds) < 2
    assert get(url.replace("/metrics", "/healthz"))[0] == 200


def test_no_secret_stands_on_a_command_line(shared: Up) -> None:
    running = shared
    secrets = [running.stack["flower_auth"].split(":")[1], running.stack["redis"].split("@")[0].split(":")[-1]]
    lines = [" ".join(child.cmdline()) for child in running.descendants()]
    assert not [line for line in lines for secret in secrets if secret in line]


def test_the_command_that_it_suggests_works_as_it_is_printed(shared: Up, tmp_path: Path) -> None:
    for name in ("A.txt", "B.txt"):
        (tmp_path / name).write_text("An essay.")
    suggested = re.search(r"\(try: umpire (.+)\)", shared.text)
    assert suggested
    done = umpire(*shlex.split(suggested[1]), cwd=tmp_path, UMPIRE_MOCK_MODE="fixed")
    assert done.returncode == 0, done.stderr
    assert "Essay" in done.stdout or "A.txt" in done.stdout


def redis_cli() -> str:
    program = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if program is None:
        raise ServerMissing("redis-cli", "no redis-cli on PATH (Debian: redis-tools)")
    return program


def test_redis_cli_takes_the_url(shared: Up, need_tool: Callable[[Callable[[], str]], str]) -> None:
    command = [need_tool(redis_cli), "--no-auth-warning", "-u", shared.stack["redis"], "ping"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "PONG\n"


@pytest.mark.parametrize("after", ["is ready", "redis is ready", "flower is ready"])
def test_a_stop_while_it_starts_leaves_no_traceback(after: str, tmp_path: Path) -> None:
    up = Up(tmp_path / "data").start(wait=False)
    try:
        poll(lambda: after in up.text, 40, every=0.01, what=after)
        assert up.stop() == 0
        assert "Traceback" not in up.text
        assert "_GatheringFuture" not in up.text
    finally:
        up.discard()


def test_redis_lets_nobody_in_without_the_password(shared: Up) -> None:
    url = shared.stack["redis"]
    open_url = f"redis://{url.rpartition('@')[2]}"
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis.from_url(open_url).ping()
    client = redis.Redis.from_url(url)
    assert client.config_get("append*")["appendfsync"] == "always"
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_sigterm_stops_everything_and_exits_0(up: MakeUp) -> None:
    running = up()
    assert running.stop() == 0
    assert running.left() == []
    assert not (running.data_dir / "stack.json").exists()
    assert "stopped" in running.text


def test_sigint_does_the_same(up: MakeUp) -> None:
    running = up()
    running.descendants()
    running.signal(signal.SIGINT)
    assert running.process
    assert running.process.wait(40) == 0
    assert running.left() == []


def test_a_closed_terminal_does_the_same(tmp_path: Path) -> None:
    """SIGHUP from the kernel, and nobody left to print to."""
    data = tmp_path / "data"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        command = [*UMPIRE, "up", "--data-dir", str(data), "--port", "0", "--flower-port", "0"]
        os.execve(sys.executable, command, environment())  # noqa: S606 - in the terminal's own process
    process = psutil.Process(pid)
    children: list[psutil.Process] = []
    try:
        poll((data / "stack.json").exists, 60)
        children = process.children(recursive=True)
        assert len(children) == 5
        os.close(terminal)
        assert os.waitpid(pid, 0)[1] == 0
        assert not [child for child in children if alive(child)]
        assert "Redis is now ready to exit" in (data / "logs" / "redis.log").read_text()
    finally:
        for each in [*children, process]:
            if alive(each):
                each.kill()


def test_a_reader_that_left_does_not_end_the_stack(tmp_path: Path) -> None:
    """`umpire up | head -1`"""
    data = tmp_path / "data"
    command = [*UMPIRE, "up", "--data-dir", str(data), "--port", "0", "--flower-port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        poll((data / "stack.json").exists, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        assert "Redis is now ready to exit" in (data / "logs" / "redis.log").read_text()
    finally:
        process.kill()


def test_a_stop_during_the_start_leaves_nothing(up: MakeUp) -> None:
    running = up(start=False).start(wait=False)
    poll(lambda: running.data_dir.joinpath("logs", "api.log").exists(), 30)
    assert running.stop() == 0
    assert running.left() == []


def test_a_killed_supervisor_leaves_nothing(up: MakeUp) -> None:
    """PR_SET_PDEATHSIG: not even SIGKILL of the supervisor leaves a process behind."""
    running = up()
    assert len(running.descendants()) == 5
    running.signal(signal.SIGKILL)
    poll(lambda: not running.left(), 10, what="no process left")
    again = up(data_dir=running.data_dir)  # the lock went with it, and the data directory is good
    assert judged(again)["winner"]


def test_a_killed_worker_api_and_flower_are_started_again(up: MakeUp) -> None:
    running = up()
    told = running.stack["pids"]
    victims = {
        "worker-mock": (told["workers"]["mock"][0], lambda pids: next(iter(pids["workers"]["mock"]), None)),
        "api": (told["api"][0], lambda pids: next(iter(pids["api"]), None)),
        "flower": (told["flower"], lambda pids: pids["flower"]),
    }
    for name, (pid, new) in victims.items():
        os.kill(pid, signal.SIGKILL)
        replaced(running, pid, new)
        assert f"{name} was killed by SIGKILL; it is started again" in running.text
    assert judged(running)["winner"]
    poll(lambda: get(running.stack["flower"], running.stack["flower_auth"])[0] == 200, 30)
    assert running.stop() == 0
    assert running.left() == []


def test_a_killed_redis_comes_back_with_its_data_and_its_address(up: MakeUp) -> None:
    running = up()
    url, pid = running.stack["redis"], running.stack["pids"]["redis"]
    redis.Redis.from_url(url).set("kept", "1")
    os.kill(pid, signal.SIGKILL)
    replaced(running, pid, lambda pids: pids["redis"])
    assert running.stack["redis"] == url
    poll(lambda: _kept(url), 20)
    poll(lambda: get(f"{running.stack['api']}/readyz")[0] == 200, 30)
    assert judged(running)["winner"]


def _kept(url: str) -> bool:
    try:
        return redis.Redis.from_url(url).get("kept") == b"1"
    except redis.exceptions.RedisError:
        return False


def test_a_killed_kafka_has_a_new_address_and_its_clients_are_restarted(up: MakeUp) -> None:
    running = up()
    before = running.stack
    os.kill(before["pids"]["kafka"], signal.SIGKILL)
    replaced(running, before["pids"]["kafka"], lambda pids: pids["kafka"])
    poll(lambda: running.stack["kafka"] != before["kafka"], 30)
    replaced(running, before["pids"]["api"][0], lambda pids: next(iter(pids["api"]), None))
    replaced(running, before["pids"]["workers"]["mock"][0], lambda pids: next(iter(pids["workers"]["mock"]), None))
    assert f"kafka has a new address, {running.stack['kafka']}" in running.text
    assert _verdicts_on_kafka(running) == 6


def _verdicts_on_kafka(up: Up) -> int:
    """Verdicts of a small batch, read from the broker that stack.json tells now."""
    batch = Batch(["a", "b"], ["One.", "Two."], [(0, 1), (1, 0)] * 3)
    return len(judge_all(batch, up.stack["api"], kafka_of(up), Watch(), threading.Event()))


def kafka_of(up: Up) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap=up.stack["kafka"])


class Watch:
    """Kills a process once so many verdicts are there."""

    def __init__(self, after: int = -1, kill: int = 0) -> None:
        self._left, self._kill = after, kill

    def accepted(self, count: int) -> None: ...

    def verdict(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(self._kill, signal.SIGKILL)


def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(up: MakeUp) -> None:
    """100 comparisons of half a second, and exactly one verdict for each within a minute."""
    running = up(UMPIRE_MOCK_LATENCY_MS="500", UMPIRE_MOCK_CONCURRENCY="10", UMPIRE_TEST_LEASE_SECONDS="5")
    batch = Batch(["a", "b"], ["One.", "Two."], [(0, 1), (1, 0)] * 50)
    watch = Watch(after=20, kill=running.stack["pids"]["workers"]["mock"][0])
    winners = judge_all(batch, running.stack["api"], kafka_of(running), watch, threading.Event())
    assert len(winners) == 100
    assert "worker-mock was killed by SIGKILL" in running.text


def test_a_full_ledger_does_not_keep_the_stack_from_starting(up: MakeUp) -> None:
    """Its workers are what empties it."""
    running = up(UMPIRE_MOCK_LATENCY_MS="60000", UMPIRE_LEDGER_MAX_SIZE="1", UMPIRE_DRAIN_SECONDS="1")
    client = ApiClient(running.stack["api"])
    request = {"user_prompt": comparison_prompt("One.", "Two."), "callback_topic": "t"}
    assert client.compare(request, prefer="respond-async").status == 202
    client.close()
    assert get(f"{running.stack['api']}/readyz")[0] == 503
    assert running.stop() == 0
    again = up(data_dir=running.data_dir, UMPIRE_LEDGER_MAX_SIZE="1", UMPIRE_MOCK_LATENCY_MS="60000")
    assert "the API refuses requests at present" in again.text
    again.signal(signal.SIGTERM)
    again.signal(signal.SIGTERM)


def test_the_metrics_addresses_are_written_for_prometheus_and_removed_at_the_end(up: MakeUp, tmp_path: Path) -> None:
    file = tmp_path / "targets.json"
    file.write_text("of a stack that was killed")
    # "0": a port of the supervisor's own, which shows what the API shows. Scraped too, it would count everything twice.
    running = up("--metrics-targets", str(file), UMPIRE_METRICS_PORT="0")
    poll(lambda: file.read_text().count("targets") > 1, 10, what="the addresses")
    groups = json.loads(file.read_text())
    api, everything, flower = running.stack["metrics"]
    urls = [f"http://{one['targets'][0]}{one['labels']['__metrics_path__']}" for one in groups]
    assert urls == [api, flower]
    assert [one["labels"]["part"] for one in groups] == ["api", "flower"]
    assert [get(url)[0] for url in (api, everything, flower)] == [200, 200, 200]
    judged(running)
    assert [b"\nllm_provider_http_requests_total{" in get(url)[1] for url in urls] == [True, False]
    flower_pid = running.stack["pids"]["flower"]
    os.kill(flower_pid, signal.SIGKILL)
    replaced(running, flower_pid, lambda pids: pids["flower"])
    poll(lambda: get(flower)[0] == 200, 30, what="the same address after a restart")
    assert running.stop() == 0
    assert not file.exists()
    assert [path.name for path in tmp_path.glob(".targets*")] == []


def test_a_targets_file_that_cannot_be_written_is_told_before_anything_starts(up: MakeUp, tmp_path: Path) -> None:
    refused = up("--metrics-targets", str(tmp_path / "none" / "targets.json"), start=False).start(wait=False)
    assert refused.process
    assert refused.process.wait(20) == 1
    assert "targets.json cannot be written (No such file or directory); see --metrics-targets" in refused.text
    assert "redis" not in refused.text


async def test_several_api_processes_are_one_command_and_each_may_be_killed(up: MakeUp) -> None:
    running = up(UMPIRE_API_PROCESSES="2")
    lines = [" ".join(child.cmdline()) for child in running.descendants()]
    assert len([line for line in lines if "cli.main api" in line]) == 1
    first = running.stack["pids"]["api"]
    assert len(first) == 2
    assert all(is_pid_alive(pid) for pid in first)
    url = running.stack["api"]
    text = await kill_each_under_load(url, lambda: running.stack["pids"]["api"])
    assert {*re.findall(r'http_requests_total\{process="([^"]+)"', text)} == {"api-1", "api-2"}
    second = running.stack["pids"]["api"]
    assert not {*first} & {*second}
    for pid in first:
        assert re.search(rf"API process {pid} ended; (\d+) took its place", running.text)
    assert "api was killed" not in running.text
    assert running.stop() == 0
    assert running.left() == []


def test_a_killed_supervisor_of_the_api_is_started_again_with_its_processes(up: MakeUp) -> None:
    running = up(UMPIRE_API_PROCESSES="2")
    before = running.stack["pids"]["api"]
    (supervisor,) = [child for child in running.descendants() if "cli.main api" in " ".join(child.cmdline())]
    supervisor.kill()
    poll(lambda: "api is ready again" in running.text, 40)
    poll(lambda: len(found := running.stack["pids"]["api"]) == 2 and not {*found} & {*before}, 10, what="new processes")
    assert not [child for child in running.left() if child.pid in {supervisor.pid, *before}]
    assert judged(running)["winner"]


def test_each_enabled_provider_has_a_worker(up: MakeUp) -> None:
    running = up(UMPIRE_MOCK_ENABLED="true", UMPIRE_OPENAI_API_KEY="sk-test", UMPIRE_METRICS_PORT="0")
    assert {name: len(pids) for name, pids in running.stack["pids"]["workers"].items()} == {"openai": 1, "mock": 1}
    assert "sk-test" not in running.text


def test_a_second_up_in_the_same_directory_is_refused(up: MakeUp, shared: Up) -> None:
    running = shared
    second = up(start=False, data_dir=running.data_dir)
    second.output = running.data_dir.with_name("second.out")
    second.start(wait=False)
    assert second.process
    assert second.process.wait(20) == 1
    assert (
        f"{running.data_dir} is in use by another umpire (pid {running.process and running.process.pid})" in second.text
    )
    assert running.stack["pids"]["redis"]  # the first one's file is untouched
    assert judged(running)["winner"]


@pytest.mark.parametrize(("option", "setting"), [("--port", "UMPIRE_PORT"), ("--flower-port", "UMPIRE_FLOWER_PORT")])
def test_a_taken_port_is_told_before_anything_starts(up: MakeUp, option: str, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = up(option, str(port), start=False).start(wait=False)
        assert refused.process
        assert refused.process.wait(20) == 1
    assert f"port {port} of 127.0.0.1 is already in use; choose another with {option} or {setting}" in refused.text
    assert not refused.data_dir.exists()


def test_a_part_that_does_not_start_is_told_with_the_end_of_its_log(up: MakeUp, tmp_path: Path) -> None:
    data = tmp_path / "broken"
    (data / "redis").mkdir(parents=True)
    (data / "redis" / "appendonlydir").write_text("not a directory")
    refused = up(start=False, data_dir=data).start(wait=False)
    assert refused.process
    assert refused.process.wait(40) == 1
    assert "redis does not start: it ended with exit code 1, 3 times" in refused.text
    assert "appendonlydir" in refused.text
    assert "Traceback" not in refused.text
    assert "_GatheringFuture" not in refused.text
    assert refused.left() == []


def test_external_servers_are_used_and_left_alone(
    up: MakeUp, redis_url: str, embedded_kafka: Callable[[], Any]
) -> None:
    kafka = embedded_kafka()
    running = up(UMPIRE_REDIS_URL=redis_url, UMPIRE_KAFKA_BOOTSTRAP=kafka.bootstrap)
    assert (running.stack["redis"], running.stack["kafka"]) == (redis_url, kafka.bootstrap)
    assert running.stack["pids"]["redis"] is None
    assert judged(running)["winner"]
    assert running.stop() == 0


def test_an_external_redis_that_does_not_answer_is_told(up: MakeUp) -> None:
    refused = up(start=False, UMPIRE_REDIS_URL="redis://127.0.0.1:1/0").start(wait=False)
    assert refused.process
    assert refused.process.wait(40) == 1
    assert "no answer from the Redis that UMPIRE_REDIS_URL names" in refused.text


def test_it_runs_from_another_directory_with_rooms_of_the_same_name(up: MakeUp, tmp_path: Path) -> None:
    """`tasks/` is a common name: a user's own package in the working directory must not be taken for ours."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("raise RuntimeError('the wrong tasks')")
    running = up(start=False)
    running.cwd = tmp_path
    running.start()
    assert judged(running)["winner"]
    assert tmp_path != ROOT
