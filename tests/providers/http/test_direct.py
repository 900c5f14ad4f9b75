"""The SDKs' calls without httpx2's layers are the same calls."""

import gzip
from importlib import import_module
from typing import Any

import pytest

from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from devtools.providers import PROMPT, REAL, body_of, call_for, connected, settings_for
from devtools.upstream import answer, upstream
from providers.factory import make_provider
from providers.http.direct import DirectClient

#: Google's SDK is given a session of aiohttp, and has no other layers.
BY_HTTPX2 = [provider for provider in REAL if provider is not LLMProviderType.GOOGLE]

every = pytest.mark.parametrize("provider", BY_HTTPX2)


@every
async def test_the_request_is_the_one_that_the_sdks_own_client_sends(
    provider: LLMProviderType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upstream(answer(200, body_of(provider))) as server:
        async with connected(provider, server.url) as adapter:
            await adapter.complete(call_for(provider))
            assert isinstance(adapter._client.made._client, DirectClient)  # type: ignore[attr-defined]
        for module in ("anthropic", "openai"):
            own = import_module(module).DefaultAioHttpClient
            monkeypatch.setattr(f"providers.{module}.http_client", lambda options, _, own=own: own(**options))
        async with connected(provider, server.url) as adapter:
            await adapter.complete(call_for(provider))
            assert not isinstance(adapter._client.made._client, DirectClient)  # type: ignore[attr-defined]
    ours, theirs = server.calls
    for call in (ours, theirs):
        call["headers"].pop("idempotency-key", None)  # drawn by the SDK for each call
    assert ours["headers"].pop("accept-encoding") == "identity"
    assert theirs["headers"].pop("accept-encoding") != "identity"
    assert ours == theirs


@every
async def test_what_is_compressed_is_read(provider: LLMProviderType) -> None:
    packed = gzip.compress(dumps(body_of(provider)))
    async with (
        upstream(answer(200, packed, {"content-encoding": "gzip"})) as server,
        connected(provider, server.url) as adapter,
    ):
        completion = await adapter.complete(call_for(provider))
    assert "Essay B" in completion.text


@every
async def test_no_cookie_is_kept(provider: LLMProviderType) -> None:
    async with (
        upstream(answer(200, body_of(provider), {"set-cookie": "who=me; Path=/"})) as server,
        connected(provider, server.url) as adapter,
    ):
        await adapter.complete(call_for(provider))
        await adapter.complete(call_for(provider))
    assert len(server.calls) == 2
    assert all("cookie" not in call["headers"] for call in server.calls)


@every
async def test_an_adapter_that_was_closed_is_told_so_and_calls_nobody(provider: LLMProviderType) -> None:
    async with upstream(answer(200, body_of(provider))) as server:
        adapter: Any = make_provider(provider, settings_for(provider, server.url))
        await adapter.complete(call_for(provider))
        await adapter.close()
        with pytest.raises(Exception, match=r"closed|No connection"):
            await adapter.complete(call_for(provider, PROMPT))
        assert len(server.calls) == 1
