"""A write that must not be lost is repeated; one that can never succeed is not repeated for ever."""

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from umpire_events import Remembered

from completion import persist as module
from completion.persist import LASTING_FAULT_TRIES, persist


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEDGER_RETRY_SECONDS", (0.001, 0.002))


class Write:
    def __init__(self, error: Exception, failures: int) -> None:
        self.error = error
        self.failures = failures
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "written"


async def test_a_write_is_repeated_until_redis_is_back() -> None:
    write, notes = Write(RedisConnectionError("away"), LASTING_FAULT_TRIES + 3), Remembered()
    assert await persist(write, notes) == "written"
    assert [note.what for note in notes] == ["ledger.unwritten"] * write.failures


async def test_an_error_that_does_not_pass_is_raised_in_the_end() -> None:
    write = Write(ResponseError("WRONGTYPE"), 1000)
    with pytest.raises(ResponseError):
        await persist(write, Remembered())
    assert write.calls == LASTING_FAULT_TRIES


async def test_a_caller_that_gives_up_gets_the_error() -> None:
    write = Write(RedisConnectionError("away"), 1000)
    with pytest.raises(RedisError):
        await persist(write, Remembered(), give_up=lambda: write.calls == 2)
    assert write.calls == 2
