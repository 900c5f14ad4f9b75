"""No body costs more memory than its limit, whatever it is packed in, and what is within the limit is read."""

import asyncio
import gzip
import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import umpire_eater
from umpire_bombs import bombs

from contracts import errors
from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from devtools.providers import REAL, body_of, call_for, connected
from devtools.servers import apoll
from devtools.upstream import answer, upstream
from providers.http import bounded

every = pytest.mark.parametrize("provider", REAL)

_MOST = 50_000_000

_REASONS = {
    "gzip": "too_large",
    "deflate": "too_large",
    "raw deflate": "too_large",
    "gzip three times": "encoding",
    "br": "encoding",
    "zstd": "encoding",
    "endless": "too_large",
}


class Chunked:
    """A body as it comes from a connection."""

    def __init__(self, body: bytes, size: int = 7) -> None:
        self.chunks = [body[at : at + size] for at in range(0, len(body), size)]

    async def readany(self) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""


def _raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


TEXT = b'{"winner": "Essay A"}' * 3


@pytest.mark.parametrize(
    ("encodings", "body"),
    [
        ([], TEXT),
        (["identity"], TEXT),
        ([" GZip "], gzip.compress(TEXT, mtime=0)),
        (["x-gzip"], gzip.compress(TEXT, mtime=0)),
        (["gzip"], gzip.compress(TEXT, mtime=0) + b"\0" * 20),
        (["deflate"], zlib.compress(TEXT)),
        (["deflate"], _raw(TEXT)),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_body_within_the_limit_is_read_whole(encodings: list[str], body: bytes, size: int) -> None:
    assert await bounded.read(Chunked(body, size), encodings, 1000) == TEXT
    assert await bounded.read(Chunked(body, size), encodings, max(len(TEXT), len(body))) == TEXT


@pytest.mark.parametrize(
    ("encodings", "body", "reason"),
    [
        ([], b"x" * 101, "too_large"),
        (["gzip"], gzip.compress(b"x" * 101, mtime=0), "too_large"),
        (["gzip"], gzip.compress(b"x", mtime=0) + b"x" * 101, "too_large"),
        (["deflate"], zlib.compress(b"x" * 101), "too_large"),
        (["deflate"], _raw(b"x" * 101), "too_large"),
        (["gzip", "gzip"], b"", "encoding"),
        (["gzip, deflate"], b"", "encoding"),
        (["br"], b"", "encoding"),
        (["gzip"], b"no gzip", "malformed_body"),
        (["deflate"], b"\xff" * 9, "malformed_body"),
    ],
)
async def test_anything_else_has_a_reason(encodings: list[str], body: bytes, reason: str) -> None:
    with pytest.raises(bounded.UnreadableBody) as caught:
        await bounded.read(Chunked(body), encodings, 100)
    assert caught.value.reason == reason


@every
async def test_a_bomb_costs_a_worker_little(provider: LLMProviderType) -> None:
    """2 GB each; measured in a process of its own, with answers to calls, error statuses and lists of models."""
    good, bad = bombs(200), bombs(500)
    answers = [answer(200, body_of(provider)), *good.values(), *good.values(), *bad.values()]
    kinds = ["complete"] * len(good) + ["list_models"] * len(good) + ["complete"] * len(bad)
    async with upstream(*answers) as server:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, str(Path(umpire_eater.__file__)), provider.value, server.url, *kinds),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        told, _ = await child.communicate()
    assert child.returncode == 0
    rows: list[list[Any]] = [json.loads(line) for line in told.splitlines()]
    answered = [["ParsingError", reason] for reason in _REASONS.values()]
    assert [row[:2] for row in rows] == [*answered, *answered, *[["ProviderServerError", None]] * len(bad)]
    assert max(row[2] for row in rows) < _MOST


@every
@pytest.mark.parametrize("status", [200, 429])
async def test_the_connection_is_closed(provider: LLMProviderType, status: int) -> None:
    """And an error's status still says what it was."""
    refused = answer(status, b"?" * 1_000_000, {"content-encoding": "br", "retry-after": "7"})
    async with upstream(refused) as server, connected(provider, server.url) as adapter:
        with pytest.raises(errors.ProviderError) as caught:
            await adapter.complete(call_for(provider))
        await apoll(lambda: not server.open_connections, what="the end of the connection")
    if status == 200:
        assert isinstance(caught.value, errors.ParsingError)
        assert caught.value.details["reason"] == "encoding"
    else:
        assert isinstance(caught.value, errors.ProviderRateLimited)
        assert caught.value.retry_after == 7


@every
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, _raw])
async def test_what_is_compressed_though_nobody_asked_is_read(provider: LLMProviderType, pack: Any) -> None:
    said = "gzip" if pack is gzip.compress else "deflate"
    packed = answer(200, pack(dumps(body_of(provider))), {"content-encoding": said})
    async with upstream(packed) as server, connected(provider, server.url) as adapter:
        completion = await adapter.complete(call_for(provider))
        assert server.calls[0]["headers"]["accept-encoding"] == "identity"
    assert "Essay B" in completion.text


@every
@pytest.mark.parametrize("size", [9_000, 60_000])
async def test_a_large_header_beside_a_verdict(provider: LLMProviderType, size: int) -> None:
    large = answer(200, body_of(provider), {"x-route": "a" * size})
    async with upstream(large) as server, connected(provider, server.url) as adapter:
        assert "Essay B" in (await adapter.complete(call_for(provider))).text
        assert len(server.calls) == 1


@every
@pytest.mark.parametrize("headers", [{"x-route": "a" * 100_000}, {f"x-{at}": "a" for at in range(300)}])
async def test_headers_over_the_limit_have_an_error_of_their_own(
    provider: LLMProviderType, headers: dict[str, str]
) -> None:
    async with upstream(answer(200, body_of(provider), headers)) as server, connected(provider, server.url) as adapter:
        with pytest.raises(errors.AnswerError) as caught:
            await adapter.complete(call_for(provider))
        assert len(server.calls) == 1
    assert caught.value.details["reason"] == "headers_too_large"
