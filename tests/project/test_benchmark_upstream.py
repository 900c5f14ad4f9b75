"""The benchmarks' upstream answers each provider's SDK, and keeps the limits that it was given."""

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from umpire_go import go

from contracts.enums import LLMProviderType
from contracts.errors import ProviderRateLimited
from devtools.providers import PATHS, REAL, call_for, connected
from devtools.servers import ROOT, Process, free_port


@pytest.fixture(scope="module")
def go_upstream(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the built program."""
    binary = tmp_path_factory.mktemp("go") / "upstream"
    subprocess.run(
        [go(), "build", "-o", str(binary), "./upstream"],
        cwd=ROOT / "benchmarks/go",
        env={**os.environ, "GOTOOLCHAIN": "local", "GOPROXY": "off"},
        check=True,
    )
    return [str(binary)]


@contextlib.contextmanager
def running(command: list[str], folder: Path, *more: str) -> Iterator[str]:
    port = free_port()
    process = Process("upstream", [*command, "-port", str(port), "-delay", "1ms", *more], folder / "log", {})
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(stats(url))
        return False

    process.start(answers)
    try:
        yield url
    finally:
        process.kill()


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/stats", timeout=5) as answer:  # noqa: S310 - our own
        return json.load(answer)


@pytest.mark.parametrize("provider", [one for one in REAL if one is not LLMProviderType.OPENROUTER])
async def test_each_sdk_gets_a_verdict(provider: LLMProviderType, go_upstream: list[str], tmp_path: Path) -> None:
    assert PATHS[provider.value] in {"", "/v1"}
    with running(go_upstream, tmp_path) as url:
        async with connected(provider, url) as adapter:
            completion = await adapter.complete(call_for(provider))
        assert json.loads(completion.text)["winner"] == "Essay A"
        assert (completion.usage.input_tokens, completion.usage.output_tokens) == (900, 60)
        assert stats(url)["calls"] == 1


async def test_what_is_above_the_rate_is_refused(go_upstream: list[str], tmp_path: Path) -> None:
    """With the wait and the figures in the headers that Anthropic's SDK gives us."""
    limit = "rpm=60&burst=2&headers=true"
    with running(go_upstream, tmp_path, "-limit", limit) as url:
        async with connected(LLMProviderType.ANTHROPIC, url) as adapter:
            call = call_for(LLMProviderType.ANTHROPIC)
            headers = (await adapter.complete(call)).headers
            assert headers is not None
            assert (headers.requests_limit, headers.requests_remaining) == (60, 1)
            await adapter.complete(call)
            with pytest.raises(ProviderRateLimited) as refused:
                await adapter.complete(call)
        assert refused.value.retry_after == 1
        found = stats(url)
        assert (found["calls"], found["refused"], found["connections"]) == (2, 1, 1)


async def test_a_refusal_without_a_wait(go_upstream: list[str], tmp_path: Path) -> None:
    with running(go_upstream, tmp_path, "-limit", "rpm=60&burst=1&retry_after=none") as url:
        async with connected(LLMProviderType.GOOGLE, url) as adapter:
            call = call_for(LLMProviderType.GOOGLE)
            assert (await adapter.complete(call)).headers is None
            with pytest.raises(ProviderRateLimited) as refused:
                await adapter.complete(call)
        assert refused.value.retry_after is None


async def test_a_connection_for_each_answer(go_upstream: list[str], tmp_path: Path) -> None:
    with running(go_upstream, tmp_path, "-close") as url:
        async with connected(LLMProviderType.ANTHROPIC, url) as adapter:
            for _ in range(3):
                await adapter.complete(call_for(LLMProviderType.ANTHROPIC))
        assert stats(url)["connections"] == 3
