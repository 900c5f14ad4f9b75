"""`umpire compare` and Flower, on a real stack that the module's tests share."""

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from umpire_cli import ROOT, UMPIRE, Up, environment, get, umpire

from cli.client.compare import key_for, locate
from cli.client.prompt import comparison_prompt
from cli.failure import Failure
from contracts.settings import load_settings
from devtools.servers import free_port, poll
from providers.mock_essays import find_essays

SAMPLES = Path("assessment/samples")
GOOD, BAD = SAMPLES / "hazel.txt", SAMPLES / "beech.txt"

stack = pytest.mark.stack


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    made = Up(tmp_path_factory.mktemp("compare") / "data", UMPIRE_MOCK_MODE="fixed", UMPIRE_MOCK_WINNER="Essay B")
    try:
        yield made.start()
    finally:
        made.discard()


@stack
def test_a_verdict_is_exit_0_and_names_the_winning_file(running: Up) -> None:
    done = umpire("compare", GOOD, BAD, "--data-dir", running.data_dir)
    assert done.returncode == 0, done.stderr
    assert "Essay B (beech.txt)" in done.stdout
    assert "confidence 5 of 5" in done.stdout


@stack
def test_json_is_the_answer_as_it_came(running: Up) -> None:
    done = umpire("compare", GOOD, BAD, "--json", "--api", running.stack["api"], "--data-dir", running.data_dir)
    assert done.returncode == 0
    answer = json.loads(done.stdout)
    assert answer["winner"] == "Essay B"
    assert answer["metadata"]["essay_a_id"] == "hazel.txt"


@stack
def test_a_202_is_followed_on_kafka(running: Up) -> None:
    """The second API answers 202 to everything; the verdict is the event."""
    stack = running.stack
    settings = {
        "UMPIRE_REDIS_URL": stack["redis"],
        "UMPIRE_KAFKA_BOOTSTRAP": stack["kafka"],
        "UMPIRE_DEFAULT_PROCESSING_MODE": "queue",
    }
    with Second(settings) as api:
        done = umpire("compare", GOOD, BAD, "--json", "--api", api, UMPIRE_KAFKA_BOOTSTRAP=stack["kafka"])
        assert done.returncode == 0, done.stderr
        event = json.loads(done.stdout)
        assert event["event_type"] == "huleedu.llm_provider.comparison_result.v1"
        assert event["data"]["winner"] == "Essay B"
        # On a topic of its own, which nobody has written to before; and as a person reads it.
        shown = umpire(
            "compare", GOOD, BAD, "--api", api, "--topic", "new.topic", UMPIRE_KAFKA_BOOTSTRAP=stack["kafka"]
        )
        assert shown.returncode == 0, shown.stderr
        assert "its verdict comes on new.topic" in shown.stderr
        assert "Essay B (beech.txt)" in shown.stdout


class Second:
    """Another API process on the stack's servers."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings

    def __enter__(self) -> str:
        port = free_port()
        command = [*UMPIRE, "api", "--port", str(port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment(**self._settings))
        poll(lambda: get(f"http://127.0.0.1:{port}/readyz")[0] == 200, 40)
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


@stack
def test_no_wait_is_accepted_with_its_id(running: Up) -> None:
    done = umpire("compare", GOOD, BAD, "--no-wait", "--data-dir", running.data_dir)
    assert done.returncode == 0
    assert done.stdout.startswith("accepted as ")


@stack
def test_a_refusal_is_exit_1_with_its_code(running: Up) -> None:
    done = umpire("compare", GOOD, BAD, "--model", "no-such-model", "--data-dir", running.data_dir)
    assert done.returncode == 1
    assert done.stderr.startswith("LLM_INVALID_CONFIG")
    done = umpire("compare", GOOD, BAD, "--topic", "no topic", "--json", "--data-dir", running.data_dir)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error_code"] == "LLM_INVALID_CALLBACK_TOPIC"


@stack
def test_flower_shows_each_comparison_by_its_queue_id_and_no_essay(running: Up) -> None:
    done = umpire("compare", GOOD, BAD, "--json", "--data-dir", running.data_dir)
    queue_id = json.loads(done.stdout)["queue_id"]
    url, auth = running.stack["flower"], running.stack["flower_auth"]
    poll(lambda: get(f"{url}/task/{queue_id}", auth)[0] == 200, 10)
    words = GOOD.read_text().split(".")[0]
    pages = {path: get(f"{url}{path}", auth) for path in (f"/task/{queue_id}", "/tasks", "/broker", "/api/tasks", "/")}
    assert {status for status, _ in pages.values()} == {200}
    assert not [path for path, (_, body) in pages.items() if words.encode() in body]
    assert b"umpire.mock" in pages["/broker"][1]
    assert queue_id.encode() in pages["/api/tasks"][1]


@stack
@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/broker", "/metrics", "/api/tasks", "/api/queues/length", "/api/workers"]
)
def test_flower_asks_for_a_password_everywhere(running: Up, path: str) -> None:
    """Its own /metrics is open; ours is not."""
    url, auth = running.stack["flower"], running.stack["flower_auth"]
    assert get(f"{url}{path}")[0] == 401
    assert get(f"{url}{path}", f"{auth}x")[0] == 401
    assert get(f"{url}{path}", auth)[0] == 200


@stack
def test_flower_only_looks(running: Up) -> None:
    """A task sent or revoked behind the ledger's back would break its promises."""
    auth = base64.b64encode(running.stack["flower_auth"].encode()).decode()
    for action in ("task/async-apply/tasks.compare", "task/revoke/1", "worker/shutdown/x"):
        request = urllib.request.Request(  # noqa: S310 - the test's own stack
            f"{running.stack['flower']}/api/{action}", b"{}", {"authorization": f"Basic {auth}"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)  # noqa: S310 - the same
        assert refused.value.code == 403


def test_nobody_at_home_is_told(tmp_path: Path, kafka_bootstrap: str) -> None:
    done = umpire("compare", GOOD, BAD, "--api", "http://127.0.0.1:1", UMPIRE_KAFKA_BOOTSTRAP=kafka_bootstrap)
    assert done.returncode == 1
    assert "no answer from the API at http://127.0.0.1:1" in done.stderr
    done = umpire("compare", GOOD, BAD, "--api", "nonsense", UMPIRE_KAFKA_BOOTSTRAP=kafka_bootstrap)
    assert done.returncode == 2


def test_essays_that_cannot_be_read_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    assert umpire("compare", GOOD, "no-such-file").returncode == 2
    for name in ("empty.txt", "binary.txt"):
        done = umpire("compare", GOOD, tmp_path / name)
        assert done.returncode == 2
        assert name in done.stderr


def test_where_the_api_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said, else the settings, else the stack in the data directory, else the default."""

    def located(api: str | None = None) -> tuple[Any, str]:
        url, kafka = locate(load_settings(), api, tmp_path)
        return url, kafka.kafka_bootstrap

    assert located() == ("http://127.0.0.1:8080", "127.0.0.1:9092")
    (tmp_path / "stack.json").write_text(json.dumps({"api": "http://a:1", "kafka": "k:1"}))
    assert located() == ("http://a:1", "k:1")
    monkeypatch.setitem(os.environ, "UMPIRE_PORT", "9999")
    monkeypatch.setitem(os.environ, "UMPIRE_KAFKA_BOOTSTRAP", "k:2")
    assert located() == ("http://127.0.0.1:9999", "k:2")
    assert located("http://b:2") == ("http://b:2", "k:2")


def test_the_key_goes_to_an_address_that_was_named_and_to_the_users_own_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key_for(load_settings(), None, tmp_path) is None
    monkeypatch.setitem(os.environ, "UMPIRE_API_KEY", "umpire_key")
    settings = load_settings()
    with pytest.raises(Failure, match="no address was named"):  # anybody may listen on the default one
        key_for(settings, None, tmp_path)
    stack = tmp_path / "stack.json"
    stack.write_text(json.dumps({"api": "http://a:1"}))
    with pytest.raises(Failure, match="no address was named"):
        key_for(settings, None, tmp_path)
    stack.chmod(0o600)
    assert key_for(settings, None, tmp_path) == settings.client.api_key
    stack.unlink()
    assert key_for(settings, "http://b:2", tmp_path) == settings.client.api_key
    monkeypatch.setitem(os.environ, "UMPIRE_PORT", "9999")
    assert key_for(settings, None, tmp_path) == settings.client.api_key


def test_both_essays_are_found_in_the_prompt() -> None:
    """By the mock, too, which looks for their headings."""
    found = find_essays(comparison_prompt("The first.", "The second.", "Which is kinder?"))
    assert found
    assert "The first." in found.a
    assert "The second." in found.b
    assert found.a_first
