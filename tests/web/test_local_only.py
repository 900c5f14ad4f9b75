"""UMPIRE_AUTH=off: the API serves this machine only. On other addresses it does not start, or refuses requests."""

import json

import pytest
from starlette.responses import PlainTextResponse
from umpire_service import admitted, problem_of, running_api, settings_of

from contracts.settings import SettingsError
from service.app import create_app
from web.local_only import LocalOnly

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.1.2.3", "my-host", "fe80::1%eth0", "::ffff:10.1.2.3"])  # noqa: S104
def test_an_address_of_a_network_is_refused_at_the_start(host):
    with pytest.raises(SettingsError, match="UMPIRE_AUTH"):
        create_app(settings_of(NO_REDIS, host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "::ffff:127.0.0.1"])
def test_the_api_starts_on_loopback_or_with_auth_keys(host):
    create_app(settings_of(NO_REDIS, host=host))
    create_app(settings_of(NO_REDIS, host="0.0.0.0", auth="keys"))  # noqa: S104


async def test_the_start_logs_that_authentication_is_off(redis_url):
    async with running_api(settings_of(redis_url)) as api:
        assert [note.level for note in api.notes.named("auth.off")] == ["warning"]
        assert (await api.get("/api/v1/models")).status_code == 200
    async with running_api(settings_of(redis_url, auth="keys")) as api:
        assert not api.notes.named("auth.off")


@pytest.mark.parametrize(
    ("server", "status"),
    [
        (("127.0.0.1", 80), 200),
        (("::1", 80), 200),
        (("/run/umpire.sock", None), 200),
        (("10.1.2.3", 80), 403),
        (("2001:db8::1", 80), 403),
    ],
)
async def test_requests_to_an_address_other_than_loopback_are_refused(server, status):
    """`uvicorn --host` is none of our settings, but each connection knows the address that it arrived at."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/api/v1/models", "headers": [], "server": server}
    await LocalOnly(PlainTextResponse("served"))(scope, None, send)
    assert sent[0]["status"] == status
    if status == 403:
        assert json.loads(sent[1]["body"])["error_code"] == "LLM_AUTHENTICATION_FAILED"


async def test_a_page_of_another_site_cannot_call_the_api_from_a_local_browser(redis_url):
    """Neither by a cross-origin POST nor by a host name that resolves to this machine (DNS rebinding)."""
    async with running_api(settings_of(redis_url, immediate_wait_seconds=0)) as api:
        for origin in (
            "https://evil.example",
            f"http://evil.example:{api.port}",
            "null",
            "http://[::1",
            "http://10.1.2.3",
        ):
            problem_of(await api.post(headers={"origin": origin}), 403, "LLM_AUTHENTICATION_FAILED")
        assert await admitted(api) == 0
        for origin in ("http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:8080"):
            assert (await api.post(headers={"origin": origin})).status_code == 202
        for host in (f"evil.example:{api.port}", "evil.example", "10.1.2.3", "[::1"):
            problem_of(await api.client.get("/readyz", headers={"host": host}), 403, "LLM_AUTHENTICATION_FAILED")
        for host in ("localhost", f"LOCALHOST:{api.port}", "127.0.0.1", f"[::1]:{api.port}"):
            assert (await api.client.get("/healthz", headers={"host": host})).status_code == 200
