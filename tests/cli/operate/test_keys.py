"""`umpire keys`: made, listed and revoked on a real Redis; the secret is shown once, and never again."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest
from umpire_cli import umpire

from access.api_key import id_of
from access.authenticator import Authenticator
from cli.failure import Failure
from cli.operate.keys_work import create
from cli.options import DEFAULT_DATA
from contracts.clock import utcnow
from contracts.errors import AuthenticationFailed
from devtools.redis import RedisServer
from ledger import keys
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(redis_url: str) -> Run:
    return lambda *arguments, **settings: umpire("keys", *arguments, **{"UMPIRE_REDIS_URL": redis_url, **settings})


async def test_a_key_lives(run: Run, redis_url: str) -> None:
    made = run("create", "--name", "class [7b]")
    text = made.stdout.strip()
    key_id = id_of(text)
    assert key_id
    assert text not in made.stderr
    limits = ("--rate", "60", "--max-queued", "5", "--daily-cost", "2.5", "--topics", "mine.*", "--topics", "ours.?")
    limits = (*limits, "--processing-mode", "queue")
    created = run("create", "--scope", "models:read", "--scope", "comparisons:submit", *limits, "--json")
    second = json.loads(created.stdout)
    assert second["scopes"] == ["comparisons:submit", "models:read"]
    assert second["topics"] == ["mine.*", "ours.?"]
    assert second["processing_mode"] == "queue"
    assert (second["rate_per_minute"], second["max_queued"], second["daily_cost_usd"]) == (60, 5, 2.5)
    redis = connect(redis_url, timeout=10)
    authenticator = Authenticator(redis, 60)
    assert (await authenticator.authenticate(text, 10)).key.name == "class [7b]"
    await redis.hset(keys.OWNED, key_id, 3)
    await redis.hset(keys.spent(utcnow().date()), key_id, "0.25")
    listed, table = run("list", "--json"), run("list")
    first, other = json.loads(listed.stdout)["keys"]
    assert (first["id"], first["unfinished"], first["spent_today_usd"], first["revoked"]) == (key_id, 3, 0.25, None)
    assert "providers:test" not in first["scopes"]
    assert (other["id"], other["unfinished"]) == (second["id"], 0)
    assert key_id in table.stdout
    assert "class [7b]" in " ".join(table.stdout.split())
    # The whole key, as from an alarm of a scanner, does as well as its id; an unknown one is not repeated.
    gone = run("revoke", text, second["key"].replace("umpire_", "umpire_x"), "--json")
    assert gone.returncode == 1
    assert json.loads(gone.stdout)["revoked"] == [key_id]
    with pytest.raises(AuthenticationFailed):
        await authenticator.authenticate(text, 10)
    await redis.aclose()
    for output in (listed, table, gone):
        for secret in (text, second["key"]):
            assert secret.rpartition("_")[2] not in output.stdout + output.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["everything"]},
        {"scopes": [""]},
        {"scopes": ["models:read", ","]},
        {"topics": ["a topic"]},
        {"topics": [""]},
        {"topics": [" , "]},
        {"topics": ["mine.*", ""]},
        {"topics": ["mine.*,__x"]},
        {"daily_cost": float("nan")},
        {"daily_cost": 0.0},
        {"name": "two\nlines"},
        {"name": " "},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    options = {"name": None, "scopes": None, "topics": None} | wrong
    with pytest.raises(Failure) as refused:
        create(DEFAULT_DATA, **options, as_json=False)
    assert refused.value.code == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--topics", "", "--scope", ""), "--scope"),
        (("--topics", ","), "--topics"),
        (("--topics", "__x"), "--topics"),
        (("--name", ""), "--name"),
        (("--max-queued", "9" * 23), "--max-queued"),
        (("--rate", ""), "--rate"),
    ],
)
def test_the_command_line_that_means_no_key_makes_none(run: Run, options: tuple[str, ...], named: str) -> None:
    refused = run("create", *options)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert named in refused.stderr
    assert json.loads(run("list", "--json").stdout)["keys"] == []


def test_the_list_can_be_read_on_a_narrow_terminal(run: Run) -> None:
    run("create", "--name", "marks of the spring term", "--topics", "marks.*,exams.*", "--daily-cost", "20")
    (key,) = json.loads(run("list", "--json").stdout)["keys"]
    listed = run("list", COLUMNS="80").stdout.splitlines()
    assert max(map(len, listed)) <= 80
    assert listed[0].split() == [key["id"], "good"]
    facts = {line[:11].strip(): line[11:].strip() for line in listed[1:]}
    assert facts["name"] == "marks of the spring term"
    assert facts["topics"] == "marks.*, exams.*"
    assert facts["$ today"] == "0.0000 of 20"


def test_a_wrong_address_of_redis_is_told_without_it() -> None:
    for command in (("keys", "list"), ("outbox", "list")):
        wrong = umpire(*command, UMPIRE_REDIS_URL="http://:hidden@host")
        assert wrong.returncode == 2
        assert "UMPIRE_REDIS_URL" in wrong.stderr
        assert "hidden" not in wrong.stderr + wrong.stdout
        assert "Traceback" not in wrong.stderr


def test_without_a_redis_that_can_be_written_there_is_no_key(
    redis_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = redis_server()
    for command in (("REPLICAOF", "127.0.0.1", "1"), ("CONFIG", "SET", "maxmemory", "1")):
        server.command("REPLICAOF", "NO", "ONE")
        server.command(*command)
        monkeypatch.setenv("UMPIRE_REDIS_URL", server.url)
        with pytest.raises(Failure, match=r"read-only|out of memory"):
            create(DEFAULT_DATA, None, None, None, as_json=False)
    away = umpire("keys", "create", UMPIRE_REDIS_URL="redis://127.0.0.1:1/0")
    assert (away.returncode, away.stdout, "Redis does not answer" in away.stderr) == (1, "", True)
    assert capsys.readouterr().out == ""
