"""Our task runs on the loop, and Celery hears of it as from its own pools."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery.concurrency import get_implementation

from contracts.queues import COMPARE_TASK
from devtools.servers import poll
from tasks import pool as pool_module
from tasks.loop import LoopThread
from tasks.pool import LoopPool

REQUEST = {"delivery_info": {"priority": 3}}


class Runner:
    """Takes when it is let."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int, str]] = []
        self.let = asyncio.Event()
        self.error: BaseException | None = None

    async def take(self, queue_id: str, priority: int) -> None:
        self.taken.append((queue_id, priority, threading.current_thread().name))
        await self.let.wait()
        if self.error is not None:
            raise self.error


class Told:
    def __init__(self) -> None:
        self.accepted: list[int] = []
        self.ended: list[Any] = []

    def accept(self, pid: int, _time: float) -> None:
        self.accepted.append(pid)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    loop, runner = LoopThread(), Runner()
    monkeypatch.setattr(pool_module.host, "loop", loop, raising=False)
    monkeypatch.setattr(pool_module.host, "intake", runner, raising=False)
    yield runner
    loop.stop()


@pytest.fixture
def pool(runner: Runner) -> Iterator[LoopPool]:
    pool = LoopPool(limit=2)
    pool.start()
    yield pool
    pool_module.host.loop.loop.call_soon_threadsafe(runner.let.set)
    pool.stop()


def apply(pool: LoopPool, told: Told, name: str = COMPARE_TASK, target: Any = None) -> Any:
    args = (name, "some-id", REQUEST, b"[]", "application/json", "utf-8")
    return pool.apply_async(target, args, accept_callback=told.accept, callback=told.ended.append)


def let(runner: Runner) -> None:
    pool_module.host.loop.loop.call_soon_threadsafe(runner.let.set)


def test_celery_takes_the_class_for_a_pool() -> None:
    assert get_implementation(LoopPool) is LoopPool


def test_our_task_runs_on_the_loop_and_ends_with_it(runner: Runner, pool: LoopPool) -> None:
    told = Told()
    result = apply(pool, told)
    poll(lambda: runner.taken, 5)
    assert runner.taken == [("some-id", 6, "comparisons")]
    assert len(told.accepted) == 1
    assert told.ended == []
    let(runner)
    result.get(5)
    poll(lambda: told.ended, 5)
    failed, value, seconds = told.ended[0]
    assert (failed, value) == (0, None)
    assert seconds >= 0


def test_an_error_of_it_is_told(runner: Runner, pool: LoopPool, caplog: pytest.LogCaptureFixture) -> None:
    told, runner.error = Told(), ValueError("an essay")
    apply(pool, told)
    let(runner)
    poll(lambda: told.ended, 5)
    failed, info, _ = told.ended[0]
    assert failed == 1
    assert isinstance(info.exception.exc, ValueError)
    (record,) = (record for record in caplog.records if record.name == "celery.pool")
    assert record.exc_info is not None
    assert record.exc_info[1] is info.exception.exc


def test_a_message_that_makes_no_sense_fails_its_own_task(runner: Runner, pool: LoopPool) -> None:
    told = Told()
    args = (COMPARE_TASK, "some-id", {"delivery_info": {"priority": "high"}}, b"[]", "application/json", "utf-8")
    pool.apply_async(None, args, accept_callback=told.accept, callback=told.ended.append)
    poll(lambda: told.ended, 5)
    assert told.ended[0][0] == 1
    assert runner.taken == []


def test_stopping_waits_for_it(runner: Runner) -> None:
    pool, told = LoopPool(limit=2), Told()
    pool.start()
    apply(pool, told)
    poll(lambda: runner.taken, 5)
    stopping = threading.Thread(target=pool.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    let(runner)
    stopping.join(5)
    assert not stopping.is_alive()
    assert told.ended[0][0] == 0


def test_another_task_runs_in_a_thread(runner: Runner, pool: LoopPool) -> None:
    told, threads = Told(), list[str]()

    def target(*_: Any) -> tuple[int, str, float]:
        threads.append(threading.current_thread().name)
        return 0, "done", 0.0

    apply(pool, told, "another.task", target)
    poll(lambda: told.ended, 5)
    assert told.ended == [(0, "done", 0.0)]
    assert "ThreadPoolExecutor" in threads[0]
    assert runner.taken == []
