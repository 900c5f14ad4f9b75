"""Who may call an API that the command started: this machine only, or, elsewhere, whoever has a key."""

from collections.abc import Callable
from pathlib import Path

import pytest
from umpire_cli import Up, get, umpire

GOOD, BAD = Path("assessment/samples/hazel.txt"), Path("assessment/samples/beech.txt")


@pytest.mark.parametrize("command", [("api", "--host", "0.0.0.0"), ("api", "--processes", "2"), ("up",)], ids=" ".join)  # noqa: S104
def test_without_keys_it_listens_on_loopback_only(command: tuple[str, ...], tmp_path: Path) -> None:
    where = ("--data-dir", tmp_path / "data") if command == ("up",) else ()
    host = {} if "--host" in command else {"UMPIRE_HOST": "0.0.0.0"}  # noqa: S104
    done = umpire(*command, "--port", "0", *where, **host)
    assert done.returncode == 2
    assert done.stderr.startswith("umpire: UMPIRE_AUTH is off, and the API would listen on 0.0.0.0: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.stack
def test_the_first_key_of_a_stack(up: Callable[..., Up]) -> None:
    stack = up(UMPIRE_AUTH="keys", UMPIRE_HOST="0.0.0.0")  # noqa: S104
    assert get(f"{stack.stack['api']}/api/v1/models")[0] == 401
    assert "the embedded broker asks for no password: every user of this machine can read" in stack.text
    made = umpire("keys", "create", "--name", "first", "--data-dir", stack.data_dir)
    key = made.stdout.strip()
    where = ("--data-dir", stack.data_dir)
    done = umpire("compare", GOOD, BAD, *where, UMPIRE_API_KEY=key)
    assert done.returncode == 0, done.stderr
    refused = umpire("compare", GOOD, BAD, *where)
    assert (refused.returncode, "LLM_AUTHENTICATION_FAILED" in refused.stderr) == (1, True)
    for log in (stack.data_dir / "logs").iterdir():
        assert key.rpartition("_")[2] not in log.read_text()
