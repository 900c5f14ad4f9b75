"""`umpire demo`, as a person runs it."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from umpire_cli import ROOT, UMPIRE, environment, umpire, verdict

from cli.client.api_client import Answer
from cli.client.follow import Verdict
from cli.demo.batch import Batch, judge_all
from cli.failure import Failure
from contracts.settings import KafkaSettings
from devtools.servers import poll


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_the_demo_ranks_saves_its_plot_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(psutil.pids())
    # A key in the environment must not make the demo spend money, nor a wrong setting stop it.
    done = umpire("demo", "--output", tmp_path / "out", UMPIRE_OPENAI_API_KEY="sk-test", UMPIRE_PORT="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accepted 132 comparisons" in done.stdout
    assert sum(" beats " in line for line in done.stdout.splitlines()) == 132
    assert "reliability" in done.stdout
    places = [line.split("│") for line in done.stdout.splitlines() if line.startswith("│")]
    assert [int(place[1]) for place in places] == list(range(1, 13))
    assert all(float(place[4]) > 0 for place in places), "standard errors"
    # Stated and found order agree plainly (Spearman; 0.9 to 1 is what is seen).
    off = sum((int(place[1]) - int(place[5])) ** 2 for place in places)
    assert 1 - 6 * off / (12 * (12**2 - 1)) > 0.6
    assert (tmp_path / "out" / "ranking.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "out" / "ranking.svg").read_text()
    assert left_since(before) == []


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    before = set(psutil.pids())
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UMPIRE, "demo", "--output", str(tmp_path / "out")],
            cwd=ROOT, env=environment(), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        poll(lambda: "  3/132" in log.read_text(), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 1
    finally:
        if process.poll() is None:
            process.kill()
    assert log.read_text().endswith("umpire: interrupted\n")
    assert left_since(before) == []
    assert not (tmp_path / "out").exists()


def left_since(before: set[int]) -> list[psutil.Process]:
    return [process for pid in set(psutil.pids()) - before if (process := _of_a_demo(pid))]


def _of_a_demo(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if "umpire-demo" in " ".join([*process.cmdline(), process.cwd()]) else None
    except psutil.Error:
        return None


class FakeApi:
    """Accepts everything."""

    accepted: list[str]

    def __init__(self, url: str) -> None:
        FakeApi.accepted = []

    def compare(self, request: dict[str, Any], *, prefer: str) -> Answer:
        assert prefer == "respond-async"
        FakeApi.accepted.append(str(uuid4()))
        return Answer(202, {"queue_id": FakeApi.accepted[-1]})

    def close(self) -> None: ...


class FakeFollower:
    """Gives what `script` makes of the accepted ids, then nothing."""

    script: Any

    def __init__(self, settings: KafkaSettings, topic: str) -> None: ...

    def events(self, deadline: float) -> Iterator[Verdict | None]:
        yield from FakeFollower.script(FakeApi.accepted)
        for _ in range(20):
            yield None

    def close(self) -> None: ...


class Quiet:
    def accepted(self, count: int) -> None: ...
    def verdict(self, *_: object) -> None: ...


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("cli.demo.batch.ApiClient", FakeApi)
    monkeypatch.setattr("cli.demo.batch.Follower", FakeFollower)
    monkeypatch.setattr("cli.demo.batch._AFTERMATH_SECONDS", 0.0)
    batch = Batch(["a", "b"], ["One.", "Two."], [(0, 1), (1, 0)])

    def run(script: Any) -> list[int]:
        FakeFollower.script = staticmethod(script)
        return judge_all(batch, "http://x", KafkaSettings(), Quiet(), threading.Event())

    return run


def test_winners_are_essays_whichever_was_shown_first(judge: Any) -> None:
    assert judge(lambda ids: [verdict(ids[1], "Essay B"), verdict(ids[0])]) == [0, 0]


def test_a_redelivery_is_no_second_verdict(judge: Any) -> None:
    assert judge(lambda ids: [verdict(ids[0]), verdict(ids[0]), verdict(ids[1])]) == [0, 1]


def test_a_missing_verdict_fails(judge: Any) -> None:
    with pytest.raises(Failure, match="1 verdicts for 2 accepted"):
        judge(lambda ids: [verdict(ids[0])])


def test_a_second_verdict_fails(judge: Any) -> None:
    with pytest.raises(Failure, match="two different verdicts"):
        judge(lambda ids: [verdict(ids[0]), verdict(ids[0], event_id=uuid4())])


def test_a_verdict_that_nobody_asked_for_fails(judge: Any) -> None:
    with pytest.raises(Failure, match="never accepted"):
        judge(lambda ids: [verdict(str(uuid4()))])
