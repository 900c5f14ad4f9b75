"""What a Redis refuses is one line at the start of each process, and the documented permissions are enough."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from umpire_cli import Up, get, umpire
from umpire_service import RunningApi, running_api, settings_of

from contracts.settings.redis import RedisAddress
from devtools.redis import RedisServer
from devtools.servers import ROOT, poll
from ledger.redis.preflight import RedisRefuses, preflight

pytestmark = pytest.mark.redis

Make = Callable[..., RedisServer]

#: As docs/security.md tells operators to write it.
RULES = re.search(r"ACL SETUSER umpire on >\S+ (.+)", (ROOT / "docs/security.md").read_text())
PERMISSIONS = RULES[1].split() if RULES else []


@pytest.fixture
def server(redis_server: Make) -> RedisServer:
    return redis_server(aof=True)


@contextlib.contextmanager
def running(data: Path, redis_url: str) -> Iterator[Up]:
    up = Up(data, UMPIRE_REDIS_URL=redis_url)
    try:
        yield up.start()
        assert up.stop() == 0
    finally:
        up.discard()


def allow(server: RedisServer, permissions: list[str]) -> RedisAddress:
    assert server.command("ACL", "SETUSER", "umpire", "reset", "on", ">p", *permissions) == b"+OK\r\n"
    return RedisAddress(f"redis://umpire:p@127.0.0.1:{server.port}/0", {})


async def test_the_documented_permissions_are_enough_and_each_is_missed(server: RedisServer) -> None:
    assert await preflight(allow(server, PERMISSIONS))
    patterns = [one for one in PERMISSIONS if one[0] in "~&"]
    assert len(patterns) > 6
    for missing in patterns:
        with pytest.raises(RedisRefuses, match=f"lacks the (keys|channels) {re.escape(missing)} ") as refused:
            await preflight(allow(server, [one for one in PERMISSIONS if one != missing]))
        assert "\n" not in str(refused.value)


def test_a_whole_stack_runs_on_the_documented_permissions(server: RedisServer, tmp_path: Path) -> None:
    """Redis' own list of what it refused stays empty."""
    url = allow(server, PERMISSIONS).url
    essays = [tmp_path / name for name in ("a.txt", "b.txt")]
    for essay in essays:
        essay.write_text("An essay.")
    with running(tmp_path / "data", url) as up:
        done = umpire("compare", *essays, "--data-dir", tmp_path / "data")
        assert done.returncode == 0, done.stderr
        flower, auth = up.stack["flower"], up.stack["flower_auth"]
        poll(lambda: b"tasks.compare" in get(f"{flower}/api/tasks", auth)[1], 20, what="Flower's row")
        assert get(f"{flower}/api/workers?refresh=1", auth)[0] == 200
        assert get(f"{flower}/broker", auth)[0] == 200
    assert server.command("ACL", "LOG") == b"*0\r\n"


@pytest.mark.parametrize(
    "command", [("api", "--port", "0"), ("worker",), ("flower",), ("keys", "list"), ("up", "--port", "0")]
)
def test_every_process_says_what_redis_said(command: tuple[str, ...], server: RedisServer, tmp_path: Path) -> None:
    own = ("--data-dir", tmp_path / "data", "--flower-port", "0") if command[0] == "up" else ()

    def line(url: str) -> str:
        done = umpire(*command, *own, UMPIRE_REDIS_URL=url, UMPIRE_FLOWER_BASIC_AUTH="me:secret")
        assert done.returncode == 2, done.stderr
        (told,) = done.stderr.splitlines()
        return told

    allow(server, PERMISSIONS)
    at = f"127.0.0.1:{server.port}"
    assert "invalid username-password pair" in line(f"redis://umpire:canary@{at}/0")
    assert "canary" not in line(f"redis://umpire:canary@{at}/0")
    assert "DB index is out of range" in line(f"redis://{at}/20")
    if command[0] != "keys":  # which needs no channel
        allow(server, [one for one in PERMISSIONS if not one.startswith("&")])
        assert "lacks the channels &umpire:*" in line(f"redis://umpire:p@{at}/0")
    allow(server, [one for one in PERMISSIONS if one != "~umpire:*"])
    assert "lacks the keys ~umpire:*" in line(f"redis://umpire:p@{at}/0")


async def test_a_redis_that_is_away_keeps_nobody_from_starting() -> None:
    assert not await preflight(RedisAddress("redis://127.0.0.1:1/0", {}))


async def test_a_redis_that_forgets_is_a_warning_at_start_and_in_readiness(redis_server: Make) -> None:
    server = redis_server()
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    async def warnings(api: RunningApi) -> Any:
        return (await api.get("/readyz")).json()["dependencies"]["redis"]["warnings"]

    async with running_api(settings_of(server.url)) as api:
        told = [note.fields["detail"] for note in api.notes.named("redis.not_durable")]
        assert [line.split(":")[0] for line in told] == ["maxmemory-policy is allkeys-lru", "appendonly is no"]
        assert await warnings(api) == told
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.command("CONFIG", "SET", "appendonly", "yes")
        assert await warnings(api) == []


def test_umpire_up_warns_of_a_redis_that_forgets(redis_server: Make, tmp_path: Path) -> None:
    with running(tmp_path / "data", redis_server().url) as up:
        assert "warning: Redis' appendonly is no" in up.text
