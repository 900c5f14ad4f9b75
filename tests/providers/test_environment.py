"""Only our own settings reach an SDK: not its environment variables, not the system's proxies. And SDKs load late."""

import json
import logging
import subprocess
import sys

import pytest

from contracts.enums import LLMProviderType
from devtools.providers import KEY, PROMPT, REAL, body_of, call_for, connected
from devtools.upstream import answer, upstream

every = pytest.mark.parametrize("provider", REAL)

PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]

BASE_URLS = ["ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"]

OTHERS = {
    "ANTHROPIC_API_KEY": "not-ours",
    "ANTHROPIC_AUTH_TOKEN": "not-ours",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Foreign: not-ours",
    "OPENAI_API_KEY": "not-ours",
    "OPENAI_ADMIN_KEY": "not-ours",
    "OPENAI_ORG_ID": "not-ours",
    "OPENAI_PROJECT_ID": "not-ours",
    "OPENAI_CUSTOM_HEADERS": "X-Foreign: not-ours",
    "GOOGLE_API_KEY": "not-ours",
    "GEMINI_API_KEY": "not-ours",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_CLOUD_PROJECT": "not-ours",
    "GOOGLE_CLOUD_LOCATION": "europe-west1",
    "GOOGLE_GENAI_API_VERSION": "v9",
}


@every
async def test_the_environment_redirects_nothing(provider: LLMProviderType, monkeypatch: pytest.MonkeyPatch) -> None:
    async with upstream(answer(200, body_of(provider))) as elsewhere, upstream(answer(200, body_of(provider))) as ours:
        for name in [*PROXIES, *BASE_URLS]:
            monkeypatch.setenv(name, elsewhere.url)
        for name, value in OTHERS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with connected(provider, ours.url) as adapter:
            await adapter.complete(call_for(provider))
        assert len(ours.calls) == 1
        assert not elsewhere.calls
        sent = json.dumps(ours.calls[0]["headers"])
        assert KEY in sent
        assert "not-ours" not in sent
        assert "v9" not in ours.calls[0]["path"]


@every
async def test_a_proxy_that_cannot_be_used_keeps_no_adapter_from_starting(
    provider: LLMProviderType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Google's SDK makes clients that none of our calls uses, and they refused SOCKS without a package of its own."""
    for name in PROXIES:
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    async with upstream(answer(200, body_of(provider))) as server, connected(provider, server.url) as adapter:
        await adapter.complete(call_for(provider))
    assert len(server.calls) == 1


@every
async def test_sdks_log_no_prompt_even_on_debug(provider: LLMProviderType, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with upstream(answer(200, body_of(provider))) as server, connected(provider, server.url) as adapter:
        for name in ("anthropic", "openai", "httpx2"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        await adapter.complete(call_for(provider))
    assert "The sea" not in caplog.text
    assert KEY not in caplog.text
    assert PROMPT not in caplog.text


def test_importing_loads_no_sdk() -> None:
    """Nor does the manifest load an adapter: the front door reads it."""
    code = (
        "import sys; import providers.models.manifest;"
        "early = [m for m in sys.modules if m in {'providers.anthropic', 'providers.openai', 'providers.google',"
        " 'providers.openrouter', 'providers.mock'}];"
        "from contracts.settings import Settings; from contracts.enums import LLMProviderType as P;"
        "from providers.factory import make_provider;"
        "[make_provider(p, Settings()) for p in P];"
        "sdks = [m for m in ('anthropic', 'openai', 'google.genai', 'httpx2', 'aiohttp') if m in sys.modules];"
        "print(early, sdks)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_only_the_adapter_asked_for_is_imported() -> None:
    code = (
        "import sys; from contracts.settings import Settings; from contracts.enums import LLMProviderType as P;"
        "from providers.factory import make_provider; make_provider(P.MOCK, Settings());"
        "print([m for m in sys.modules if m in {'providers.anthropic', 'providers.openai', 'providers.google'}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
