"""The response recorder with every real SDK: what it writes, what it never does, and that no call is worse for it."""

import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.settings import DevelopmentSettings, SettingsError, load_settings
from devtools.providers import KEY, PROMPT, REAL, VERDICT, body_of, call_for, settings_for
from devtools.servers import apoll
from devtools.upstream import answer, drop, drop_midway, hang, upstream
from providers.answers.verdict import parse_verdict
from providers.base import Provider
from providers.factory import make_provider
from providers.http.recorded_exchange import Exchange, readable
from telemetry.observer import Note

every = pytest.mark.parametrize("provider", REAL)


def recording(
    provider: LLMProviderType, url: str, directory: Path, notes: list[Note] | None = None, **more: Any
) -> Provider:
    settings = settings_for(provider, url)
    development = DevelopmentSettings(record_responses=True, record_directory=directory, **more)
    return make_provider(
        provider,
        type(settings)(providers=settings.providers, development=development),
        (notes if notes is not None else []).append,
    )


async def record(provider: LLMProviderType, directory: Path, upstream_answer: Any) -> dict[str, Any]:
    """One call; what the one file says of it."""
    async with upstream(upstream_answer) as server:
        adapter = recording(provider, server.url, directory)
        try:
            async with asyncio.timeout(5):
                await adapter.complete(call_for(provider, attempt="q-7.1"))
        except (UmpireError, TimeoutError):
            pass
        finally:
            await adapter.close()
        assert len(server.calls) == 1
    (path,) = directory.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "q-7.1" in path.name
    text = path.read_text()
    assert KEY not in text
    found: dict[str, Any] = json.loads(text)
    assert found["request"]["headers"]["x-umpire-attempt"] == "q-7.1"
    assert PROMPT[:20] in json.dumps(found["request"]["body"])
    return found


@every
async def test_request_and_answer_are_written(provider: LLMProviderType, tmp_path: Path) -> None:
    """Readable: bodies are JSON within the JSON, and the key's place says that there was one."""
    body = {**body_of(provider), "echo": f"your key is {KEY}", KEY: 1}
    found = await record(provider, tmp_path / "logs", answer(200, body, {"x-request-id": "r-1", "set-cookie": "a=b"}))
    assert found["response"]["status"] == 200
    assert found["response"]["headers"]["x-request-id"] == "r-1"
    assert found["response"]["headers"]["set-cookie"] == "[removed]"
    assert found["response"]["body"] == {**body_of(provider), "echo": "your key is [removed]", "[removed]": 1}
    assert "[removed]" in found["request"]["headers"].values()
    assert found["error"] is None


@every
@pytest.mark.parametrize(
    "body", [json.dumps({"error": {"message": f"bad key {KEY}"}}).encode(), f"no JSON: {KEY} \xff".encode("latin-1")]
)
async def test_an_error_that_quotes_the_key(provider: LLMProviderType, tmp_path: Path, body: bytes) -> None:
    found = await record(provider, tmp_path / "logs", answer(401, body))
    assert found["response"]["status"] == 401
    assert "[removed]" in json.dumps(found["response"]["body"])


@every
@pytest.mark.parametrize(("broken", "status"), [(drop, None), (drop_midway, 200), (hang, None)])
async def test_what_broke_off_is_written_too(
    provider: LLMProviderType, tmp_path: Path, broken: Any, status: int | None
) -> None:
    found = await record(provider, tmp_path / "logs", broken)
    assert found["error"]
    assert (found["response"] and found["response"]["status"]) == status
    assert not status or found["response"]["body"] is None


@every
async def test_no_call_is_the_worse_for_a_recorder_that_cannot_write(provider: LLMProviderType, tmp_path: Path) -> None:
    """As on a full disk: the verdict comes all the same, and one line says what is missing."""
    (tmp_path / "a-file").touch()
    notes: list[Note] = []
    async with upstream(answer(200, body_of(provider))) as server:
        adapter = recording(provider, server.url, tmp_path / "a-file", notes)
        try:
            for _ in range(3):
                assert parse_verdict(await adapter.complete(call_for(provider))).confidence == VERDICT["confidence"]
            await apoll(lambda: len(notes) > 1, what="a line of the log")
        finally:
            await adapter.close()
    assert [note.what for note in notes] == ["recorder.on", "recorder.failed"]
    assert {note.level for note in notes} == {"warning"}


async def test_a_disk_that_hangs_slows_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the thread does not keep up with is left out; nothing waits, and memory stays bounded."""
    provider = LLMProviderType.ANTHROPIC
    notes: list[Note] = []
    monkeypatch.setattr("providers.http.recorder._WAITING", 2)
    monkeypatch.setattr("providers.http.recorder._CLOSE_SECONDS", 0.1)
    monkeypatch.setattr("providers.http.recorder.Recorder._write", lambda *_: time.sleep(20))
    async with upstream(answer(200, body_of(provider))) as server:
        adapter = recording(provider, server.url, tmp_path, notes)
        began = time.monotonic()
        for _ in range(6):
            await adapter.complete(call_for(provider))
        await adapter.close()
        assert time.monotonic() - began < 15
    assert [note.what for note in notes] == ["recorder.on", "recorder.failed"]


async def test_files_are_pruned_by_count_and_age_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.http.recorder._MAX_FILES", 3)
    provider = LLMProviderType.ANTHROPIC
    mine = tmp_path / "20200101-notes.json"
    mine.touch()
    (tmp_path / "20200101T000000.000000Z-anthropic-old-abcdef.json").touch()
    (tmp_path / ".20200101T000000.000000Z-anthropic-unfinished-abcdef.json").touch()
    async with upstream(answer(200, body_of(provider))) as server:
        adapter = recording(provider, server.url, tmp_path)
        attempts = [f"{uuid4()}.1" for _ in range(5)]
        for attempt in attempts:
            await adapter.complete(call_for(provider, attempt=attempt))
        await adapter.close()
    left = sorted(path.name for path in tmp_path.iterdir() if path != mine)
    assert [name[34:70] for name in left] == [attempt[:36] for attempt in attempts[-3:]]
    assert mine.exists()


def test_a_key_is_removed_wherever_and_however_it_is_spelt() -> None:
    key = 'sk/a"b+c=ü'
    url = f"https://me:pass-word@host/v1/{quote(key, safe='')}?key=short&other={quote(key)}"
    exchange = Exchange("google", utcnow(), "POST", url, [("Authorization", "Basic x"), ("X-Own", f"a {key}")], b"\xff")
    exchange.status = 200
    exchange.response_headers = [
        ("Set-Cookie", "a"),
        ("set-cookie", "b"),
        ("x-echo", key),
        ("x-two", "1"),
        ("X-Two", "2"),
    ]
    exchange.response_body = f'{{"malformed": {json.dumps(key)}'.encode()
    exchange.error = OSError(f"https://me:pass-word@host {key}")
    text = readable(exchange, [key, "pass-word", "", "abc"])
    told = json.loads(text)
    assert not [
        part for part in (key, quote(key, safe=""), json.dumps(key)[1:-1], "pass-word", "short") if part in text
    ]
    assert told["request"]["url"] == "https://host/v1/[removed]?key=[removed]&other=[removed]"
    assert told["request"]["headers"] == {"authorization": "[removed]", "x-own": "a [removed]"}
    assert told["response"]["headers"]["x-two"] == "1, 2"
    assert told["response"]["body"] == '{"malformed": "[removed]"'


@pytest.mark.parametrize(("name", "value"), [("UMPIRE_ENVIRONMENT", "production"), ("UMPIRE_AUTH", "keys")])
def test_production_refuses_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """So does an installation with API keys: it has callers of its own."""
    monkeypatch.setenv("UMPIRE_RECORD_RESPONSES", "true")
    load_settings()
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="UMPIRE_RECORD_RESPONSES: is for development only"):
        load_settings()


async def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for provider in REAL:
        async with upstream(answer(200, body_of(provider))) as server:
            adapter = make_provider(provider, settings_for(provider, server.url))
            await adapter.complete(call_for(provider))
            await adapter.close()
    assert list(tmp_path.iterdir()) == []
