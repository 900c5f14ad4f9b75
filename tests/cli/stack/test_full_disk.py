"""A disk of 10 MB below one part of a stack is full for a while: everything goes on, and nothing accepted is lost."""

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from umpire_cli import Up
from umpire_disk import Disk, Namespace
from umpire_worker import Inbox

from cli.stack.data_directory import DataDirectory
from cli.supervise.files import LogFile
from devtools.servers import poll

TOPIC = "full.disk.results"


@pytest.fixture
def namespace(need_tool: Callable[[Callable[[], Namespace]], Namespace]) -> Iterator[Namespace]:
    made = need_tool(Namespace)
    yield made
    made.discard()


@pytest.fixture
def small_disk(namespace: Namespace, tmp_path: Path) -> Callable[[str], Disk]:
    """Factory of folders on a file system of 10 MB each."""
    return lambda name: namespace.mount(tmp_path / name, "10m")


class Filler:
    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"

    def fill(self) -> None:
        with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (65_536, 4_096, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass

    def empty(self) -> None:
        self._path.unlink()


def post(api: str) -> tuple[int, dict[str, Any]]:
    """Status and body; 0 when nobody answers."""
    body = {"user_prompt": "Which is better? " + "word " * 500, "callback_topic": TOPIC, "processing_mode": "queue"}
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{api}/api/v1/comparison", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - of the test's own stack
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


@pytest.mark.stack
@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", ["all", "logs", "spool"])
def test_a_stack_survives_a_full_disk_and_loses_nothing(
    up: Callable[..., Up], namespace: Namespace, small_disk: Callable[[str], Disk], which: str, tmp_path: Path
) -> None:
    disk = small_disk({"all": "data", "logs": "data/logs", "spool": "spool"}[which])
    spool = {"UMPIRE_SPOOL_PATH": str(disk.path / "spool.sqlite3")} if which == "spool" else {}
    running = up(
        data_dir=tmp_path / "data",
        within=namespace,
        UMPIRE_MOCK_LATENCY_MS="300",
        UMPIRE_MOCK_CONCURRENCY="4",
        UMPIRE_LOG_LEVEL="debug",
        **spool,
    )
    api, inbox = running.stack["api"], Inbox(running.stack["kafka"], TOPIC)
    accepted: list[str] = []

    def submit() -> int:
        status, body = post(api)
        assert status in {202, 503}, body
        if status == 202:
            accepted.append(body["queue_id"])
        return status

    for _ in range(30):
        assert submit() == 202
    filler = Filler(disk.seen)
    filler.fill()
    if which == "spool":  # it is asked for only while Redis is away
        os.kill(running.stack["pids"]["redis"], signal.SIGSTOP)
    end = time.monotonic() + 12
    while time.monotonic() < end:
        filler.fill() if filler else None
        submit()
        time.sleep(0.1)
        assert running.process
        assert running.process.poll() is None, running.text
    if which == "all":
        poll(lambda: "redis ended with exit code 1" in running.text, 10, what="Redis has ended")
        os.kill(running.stack["pids"]["workers"]["mock"][0], signal.SIGKILL)
        poll(lambda: "stack.json cannot be written" in running.text, 20, what="stack.json cannot be written")
    filler.empty()
    if which == "spool":
        os.kill(running.stack["pids"]["redis"], signal.SIGCONT)
    poll(lambda: submit() == 202, 60, every=0.3, what="requests are accepted again")
    found = poll(lambda: {event["data"]["request_id"] for event in inbox.events} >= {*accepted}, 90, every=0.5)
    assert found
    poll(lambda: all(Path(f"/proc/{pid}").exists() for pid in running.pids), 20, what="stack.json is true again")
    assert running.stop() == 0
    assert "Traceback" not in running.text


def test_a_stack_json_that_cannot_be_written_stays_as_it_was(small_disk: Callable[[str], Disk]) -> None:
    disk = small_disk("data").seen
    with DataDirectory(disk) as directory:
        directory.write_stack_file({"api": "old"})
        Filler(disk).fill()
        with pytest.raises(OSError, match="No space left"):
            directory.write_stack_file({"api": "new"})
        assert json.loads((disk / "stack.json").read_text()) == {"api": "old"}
        assert sorted(path.name for path in disk.iterdir()) == ["filler", "stack.json", "up.lock"]


def test_a_log_on_a_full_disk_gives_its_older_generation_up(small_disk: Callable[[str], Disk]) -> None:
    disk = small_disk("logs").seen
    log = LogFile(disk / "part.log")
    older = disk / "part.log.1"
    older.write_bytes(b"o" * 2_000_000)
    log.path.write_bytes(b"n" * 1_000_000)
    Filler(disk).fill()
    log.rotate(limit=100)  # the copy overwrites the older one: there is room for it
    assert (older.stat().st_size, log.path.stat().st_size) == (1_000_000, 0)
    log.path.write_bytes(b"n" * 1_000_000)
    older.unlink()
    Filler(disk).fill()
    log.rotate(limit=100)
    assert not older.exists()
    assert log.path.stat().st_size == 1_000_000
