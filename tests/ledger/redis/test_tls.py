"""`rediss://`: all four clients verify whom they speak to, by one function, and tell an impostor nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis as sync_redis
from celery import Celery
from flower.utils.broker import Broker
from pydantic import SecretStr
from umpire_cli import umpire
from umpire_tls import PASSWORD, Authority, impostor, redis_with_tls

from contracts.settings import RedisSettings
from ledger.redis.connection import connect
from ledger.redis.preflight import RedisRefuses, preflight
from tasks.app import SETTINGS, broker

pytestmark = pytest.mark.redis

Client = Callable[[RedisSettings], Awaitable[None]]


async def redis_asyncio(settings: RedisSettings) -> None:
    address = settings.address()
    client = connect(address.url, timeout=5, tls=address.tls)
    try:
        assert await client.ping()
    finally:
        await client.aclose()


async def redis_sync(settings: RedisSettings) -> None:
    address = settings.address()

    def ping() -> None:
        with sync_redis.Redis.from_url(address.url, **address.tls) as client:
            assert client.ping()

    await asyncio.to_thread(ping)


def celery_of(settings: RedisSettings) -> Celery:
    app = Celery("test", set_as_current=False)
    app.conf.update(SETTINGS)
    app.conf.update(broker(settings))
    return app


async def kombu(settings: RedisSettings) -> None:
    def put_and_get() -> None:
        with celery_of(settings).connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_max=0)
            connection.default_channel.client.ping()

    await asyncio.to_thread(put_and_get)


async def flower(settings: RedisSettings) -> None:
    app = celery_of(settings)
    uri = app.connection().as_uri(include_password=True)
    page = Broker(uri, broker_options=app.conf.broker_transport_options, broker_use_ssl=app.conf.broker_use_ssl)
    assert await page.queues(["umpire.mock"]) == [{"name": "umpire.mock", "messages": 0}]


clients = pytest.mark.parametrize("client", [redis_asyncio, redis_sync, kombu, flower])


def settings_of(url: str, ca: Path | None = None) -> RedisSettings:
    return RedisSettings(redis_url=SecretStr(url), redis_ca_location=ca)


@clients
async def test_a_redis_with_tls_is_reached_by_an_authority_of_the_operators_own(client: Client, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with redis_with_tls(authority) as url:
        await client(settings_of(url, authority.certificate))
        await client(settings_of(url + "?ssl_cert_reqs=none"))
        await client(settings_of(f"{url}?ssl_ca_certs={authority.certificate}"))


@clients
@pytest.mark.parametrize("case", ["unknown to the system", "of another authority", "for another host"])
async def test_an_impostor_gets_no_password_from_any_client(client: Client, case: str, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "theirs")
    signed_by, host = (ours, "example.org") if case == "for another host" else (theirs, "127.0.0.1")
    async with impostor(signed_by, host) as it:
        settings = settings_of(it.url, None if case == "unknown to the system" else ours.certificate)
        with pytest.raises(Exception, match=r"(?i)certificate"):
            await client(settings)
        assert it.connections
        assert it.heard == []


async def test_the_impostor_of_these_tests_hears_a_client_that_does_not_verify(tmp_path: Path) -> None:
    async with impostor(Authority(tmp_path)) as it:
        with contextlib.suppress(AssertionError):  # it knows no PONG
            await redis_asyncio(settings_of(it.url + "?ssl_cert_reqs=none"))
        assert PASSWORD.encode() in b"".join(it.heard)


@pytest.mark.parametrize(
    "command", [("api", "--port", "0"), ("worker", "--provider", "mock"), ("flower",), ("keys", "list")]
)
async def test_every_process_names_what_it_does_not_trust_and_says_nothing(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with impostor(Authority(tmp_path, "theirs")) as it:
        surroundings = {
            "UMPIRE_REDIS_URL": it.url,
            "UMPIRE_REDIS_CA_LOCATION": str(authority.certificate),
            "UMPIRE_FLOWER_BASIC_AUTH": "me:secret",
        }
        done = await asyncio.to_thread(umpire, *command, **surroundings)
        assert it.connections
        assert it.heard == []
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "certificate is not trusted" in line
    assert "UMPIRE_REDIS_CA_LOCATION" in line
    assert PASSWORD not in line


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), ("rubbish", "no certificates")])
def test_a_file_without_certificates_stops_the_start_by_name(content: str | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    done = umpire("api", UMPIRE_REDIS_CA_LOCATION=str(path))
    assert done.returncode == 2
    assert "UMPIRE_REDIS_CA_LOCATION" in done.stderr
    assert told in done.stderr


async def test_the_check_at_start_passes_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with redis_with_tls(authority) as url:
        assert await preflight(settings_of(url, authority.certificate).address())
        with pytest.raises(RedisRefuses, match="not trusted"):
            await preflight(settings_of(url).address())
