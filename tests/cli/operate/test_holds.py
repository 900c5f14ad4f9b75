"""`umpire pause` and `umpire resume`, as an operator calls them."""

from typing import Any

import pytest
from redis.asyncio import Redis
from umpire_cli import umpire

from cli.failure import Failure
from cli.operate.holds import duration
from contracts.enums import HoldReason, LLMProviderType
from contracts.errors import SpendLimitReached
from contracts.settings import HoldSettings
from guard.availability import Availability
from guard.hold import Holds
from ledger.redis.connection import connect

MOCK = LLMProviderType.MOCK


async def held(url: str) -> Any:
    redis: Redis = connect(url, timeout=2.0)
    try:
        return (await Availability(redis, [MOCK]).read())[MOCK].hold
    finally:
        await redis.aclose()


@pytest.mark.redis
async def test_pause_and_resume(redis_url: str) -> None:
    env = {"UMPIRE_REDIS_URL": redis_url}
    told = umpire("pause", "mock", "--for", "2h", "--reason", "new key on Monday", **env)
    assert told.returncode == 0, told.stderr
    assert "mock is on hold for 2h" in told.stdout
    hold = await held(redis_url)
    assert (hold.reason, hold.text) == (HoldReason.MANUAL, "new key on Monday")
    assert hold.ends - hold.since == 2 * 3_600_000
    assert "no longer paused" in umpire("resume", "mock", **env).stdout
    assert await held(redis_url) is None
    assert "was not paused" in umpire("resume", "mock", **env).stdout


@pytest.mark.redis
async def test_resume_makes_the_probe_of_an_automatic_hold_due(redis_url: str) -> None:
    redis: Redis = connect(redis_url, timeout=2.0)
    await Holds(redis, MOCK, HoldSettings()).raise_(SpendLimitReached("402"), 0.1)
    assert (await held(redis_url)).probe_in > 0
    assert "still on hold (spend_limit)" in umpire("resume", "mock", UMPIRE_REDIS_URL=redis_url).stdout
    assert (await held(redis_url)).probe_in == 0
    await redis.aclose()


def test_a_wrong_call_says_what_is_wrong() -> None:
    for arguments in (("pause", "nobody"), ("pause", "mock", "--for", "soon"), ("pause", "mock", "--reason", "a\nb")):
        told = umpire(*arguments)
        assert told.returncode == 2
        assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("2d", 172_800), (" 5M ", 300)]
)
def test_times(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "0s", "1.5h", "2h30", "99999d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(Failure):
        duration(text)
