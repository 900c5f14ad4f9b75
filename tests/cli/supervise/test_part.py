"""A part and its supervisor, with small real processes."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from umpire_cli import is_pid_alive

from cli.failure import Failure
from cli.supervise import part as parts
from cli.supervise.files import LogFile
from cli.supervise.part import Launch, StackPart
from cli.supervise.supervisor import Supervisor, run
from devtools.servers import apoll

STAY = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: None); print('deaf now', flush=True)\n"
    "while True: time.sleep(0.1)"
)


async def there(log: Path) -> bool:
    return log.exists() and "deaf now" in log.read_text()


async def running() -> bool:
    return True


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, said: list[str]) -> Callable[..., StackPart]:
    def part(code: str, name: str = "part", **options: object) -> StackPart:
        launch = options.pop("launch", lambda: Launch([sys.executable, "-c", code], dict(os.environ)))
        options.setdefault("ready", running)
        return StackPart(name, launch, said.append, log=LogFile(tmp_path / f"{name}.log"), **options)  # type: ignore[arg-type]

    return part


async def test_a_part_that_dies_is_started_again_with_growing_waits(
    make: Callable[..., StackPart], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_LONGEST_DELAY", 0.4)
    part = make("import sys; sys.exit(3)")
    keeping = asyncio.create_task(part.keep_running())
    await apoll(lambda: sum("ended" in line for line in said) >= 3)
    await part.stop()
    await asyncio.wait_for(keeping, 5)
    ends = [line for line in said if "ended" in line]
    assert ends[:3] == [
        f"part ended with exit code 3; it is started again in {seconds} s" for seconds in (0.2, 0.4, 0.4)
    ]


async def test_a_part_that_never_gets_ready_fails_with_the_end_of_its_log(make: Callable[..., StackPart]) -> None:
    async def never() -> bool:
        return False

    part = make("import sys; sys.exit('no such thing')", ready=never)
    supervisor = Supervisor([part])
    with pytest.raises(Failure, match=r"part does not start: it ended with exit code 1, 3 times.*part\.log") as failure:
        await supervisor.start()
    assert "no such thing" in failure.value.message
    await supervisor.stop()


async def test_a_part_that_hangs_at_its_start_fails_after_its_patience(make: Callable[..., StackPart]) -> None:
    async def never() -> bool:
        return False

    part = make(STAY, ready=never, start_timeout=0.3)
    supervisor = Supervisor([part])
    with pytest.raises(Failure, match=r"part is not ready after 0\.3 s"):
        await supervisor.start()
    pid = part._process.pid if part._process else 0
    await supervisor.stop()
    assert not is_pid_alive(pid)


async def test_sigkill_follows_when_sigterm_is_not_obeyed(
    make: Callable[..., StackPart], said: list[str], tmp_path: Path
) -> None:
    part = make(STUBBORN, grace=0.5, ready=lambda: there(tmp_path / "part.log"))
    supervisor = Supervisor([part])
    await supervisor.start()
    pid = part.pid
    assert pid
    await supervisor.stop()
    assert not is_pid_alive(pid)
    assert said == ["part is ready", "part did not stop within 0.5 s and is killed"]


async def test_replace_starts_anew_at_once_and_says_nothing(make: Callable[..., StackPart], said: list[str]) -> None:
    part = make(STAY)
    supervisor = Supervisor([part])
    await supervisor.start()
    old = part.pid
    await part.replace()
    await apoll(lambda: part.pid not in {None, old})
    await supervisor.stop()
    assert said[0] == "part is ready"
    assert not [line for line in said if "ended" in line or "killed" in line]


async def test_the_address_is_asked_for_at_each_start(make: Callable[..., StackPart]) -> None:
    """A part that comes back must learn what changed meanwhile."""
    codes = ["import sys; sys.exit(1)", STAY]
    part = make("", launch=lambda: Launch([sys.executable, "-c", codes.pop(0)], dict(os.environ)))
    supervisor = Supervisor([part])
    await supervisor.start()
    await apoll(lambda: part._process is not None and part._process.returncode is None and not codes)
    await supervisor.stop()


async def test_parts_stop_in_the_order_that_was_asked_for(make: Callable[..., StackPart], tmp_path: Path) -> None:
    def noting(name: str) -> str:
        path = str(tmp_path / "order")
        return (
            "import signal, sys, time\n"
            f"def end(*_): open({path!r}, 'a').write({name!r}); sys.exit(0)\n"
            f"signal.signal(signal.SIGTERM, end); open({path!r} + {name!r}, 'w').close()\n"
            "time.sleep(60)"
        )

    several = [make(noting(name), name) for name in "abc"]
    supervisor = Supervisor([several[2]], [several[0]], [several[1]])
    await supervisor.start()
    await apoll(lambda: all((tmp_path / f"order{name}").exists() for name in "abc"))
    await supervisor.stop()
    assert (tmp_path / "order").read_text() == "cab"


async def test_the_job_ends_the_run(make: Callable[..., StackPart], said: list[str]) -> None:
    part = make(STAY)

    async def job() -> None:
        assert part.pid

    await run(Supervisor([part]), job, said.append)
    assert said == ["part is ready", "stopping"]
    assert part._process is not None
    assert part._process.returncode == -signal.SIGTERM


async def test_a_failing_job_is_raised_once_everything_has_stopped(
    make: Callable[..., StackPart], said: list[str]
) -> None:
    part = make(STAY)

    async def job() -> None:
        raise Failure("the job failed")

    with pytest.raises(Failure, match="the job failed"):
        await run(Supervisor([part]), job, said.append)
    assert part._process is not None
    assert part._process.returncode is not None


async def test_a_second_signal_kills(make: Callable[..., StackPart], said: list[str], tmp_path: Path) -> None:
    part = make(STUBBORN, grace=60, ready=lambda: there(tmp_path / "part.log"))

    async def job() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    await asyncio.wait_for(run(Supervisor([part]), job, said.append), 10)
    assert part._process is not None
    assert part._process.returncode == -signal.SIGKILL


def test_a_log_is_cut_while_it_is_written_to(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "part.log")
    with log.open() as writer:
        writer.write(b"old\n" * 10)
        log.rotate(limit=20)
        writer.write(b"new\n")
    assert log.path.read_bytes() == b"new\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"old\n" * 10
    assert log.tail() == "new"
