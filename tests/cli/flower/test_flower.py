"""`umpire flower` over HTTP: nothing without the password, on any of its routes, by any method."""

import http.client
import json
import re
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from flower.urls import handlers
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from tornado.web import URLSpec
from umpire_cli import UMPIRE, umpire
from umpire_tls import Authority, redis_with_tls

from cli.failure import Failure
from cli.flower.server import check
from contracts.settings import FlowerSettings, Settings
from devtools.servers import Process, free_port, poll, port_open

PASSWORD = "operator:a-password-of-the-test"


def routes() -> list[str]:
    """Every route of Flower's, with something in the place of its parameters."""
    patterns = [str(spec.regex.pattern) if isinstance(spec, URLSpec) else str(spec[0]) for spec in handlers]
    paths = {re.sub(r"\(.*?\)", "x", pattern.rstrip("$").replace("/?", "")).replace(".*", "/x") for pattern in patterns}
    return sorted(paths | {"/static/css/flower.css", "/api", "/events", "/healthcheck/x", "//metrics", "/%6detrics"})


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    found = free_port()
    directory: Path = tmp_path_factory.mktemp("flower")
    # Redis is away: what Flower would say then, it says to nobody either.
    settings = {"UMPIRE_FLOWER_BASIC_AUTH": PASSWORD, "UMPIRE_REDIS_URL": f"redis://:hidden@127.0.0.1:{free_port()}/0"}
    process = Process("flower", [*UMPIRE, "flower", "--port", str(found)], directory / "log", settings)
    try:
        process.start(lambda: port_open(found), 60)
        yield found
        log = (directory / "log").read_text()
        assert "hidden" not in log
        assert PASSWORD.partition(":")[2] not in log
    finally:
        process.kill()


def ask(
    port: int, path: str, method: str = "GET", authorization: str | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {**headers, **({"Authorization": authorization} if authorization else {})}
    try:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def basic(password: str | bytes) -> str:
    return f"Basic {b64encode(password.encode() if isinstance(password, str) else password).decode()}"


WRONG = [
    None,
    basic(PASSWORD + "x"),
    basic(PASSWORD[:-1]),
    basic("operator:"),
    basic("é:ü"),  # Flower's own check answers it with a traceback
    basic(b"\xff\xfe"),
    "Basic",
    "Basic !!!",
    basic(PASSWORD).replace("Basic", "Bearer"),
    PASSWORD,
    "Basic " + "A" * 10_000,
]


def test_there_are_routes_to_try() -> None:
    assert {"/metrics", "/api/tasks", "/task/x", "/broker", "/api/worker/shutdown/x"} <= set(routes())


@pytest.mark.parametrize("path", [path for path in routes() if path != "/healthcheck"])
def test_nothing_is_said_without_the_password(port: int, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        status, body, headers = ask(port, path, method)
        assert (status, body) == (401, b"")
        assert headers.keys() <= {"content-type", "date", "content-length", "www-authenticate"}
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    assert ask(port, path, **upgrade)[:2] == (401, b"")


@pytest.mark.parametrize("authorization", WRONG)
def test_no_other_password_will_do(port: int, authorization: str | None) -> None:
    for path in ("/", "/api/tasks", "/metrics"):
        assert ask(port, path, authorization=authorization)[:2] == (401, b"")
    assert ask(port, "/metrics", Cookie="user=operator")[0] == 401


def test_the_password_opens_it(port: int) -> None:
    for path in ("/", "/tasks", "/metrics", "/api/tasks"):
        poll(lambda path=path: ask(port, path, authorization=basic(PASSWORD))[0] == 200, 20)  # type: ignore[misc]


def test_a_sign_of_life_says_no_more_than_that(port: int) -> None:
    for authorization in (None, basic("wrong:one"), basic(PASSWORD)):
        status, body, headers = ask(port, "/healthcheck", authorization=authorization)
        assert (status, body) == (200, b"OK")
        assert "server" not in headers


@pytest.mark.parametrize("settings", [{}, {"UMPIRE_FLOWER_BASIC_AUTH": "user:"}])
def test_it_opens_no_address_without_a_password(settings: dict[str, str]) -> None:
    done = umpire("flower", "--host", "0.0.0.0", "--port", 0, **settings)  # noqa: S104 - what must not happen
    assert done.returncode == 2
    assert "UMPIRE_FLOWER_BASIC_AUTH" in done.stderr


@pytest.mark.parametrize("password", [None, "user:", ":password", "password", "üser:password"])
def test_what_is_no_password(password: str | None) -> None:
    settings = FlowerSettings(flower_basic_auth=SecretStr(password) if password else None)
    with pytest.raises(Failure, match="UMPIRE_FLOWER_BASIC_AUTH"):
        check(Settings(flower=settings))


def test_bodies_are_not_taken_in(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/api/task/apply/x")
    connection.putheader("Content-Length", "50000000")
    connection.endheaders()
    assert connection.getresponse().status in {400, 401, 413}
    connection.close()


def test_below_a_path_every_link_stays_there(tmp_path: Path, redis_url: str) -> None:
    """As a proxy shows it that passes the path on as it came."""
    found = free_port()
    settings = {"UMPIRE_FLOWER_BASIC_AUTH": PASSWORD, "UMPIRE_REDIS_URL": redis_url}
    settings["UMPIRE_FLOWER_URL_PREFIX"] = "/tools/flower/"
    process = Process("flower", [*UMPIRE, "flower", "--port", str(found)], tmp_path / "log", settings)
    try:
        process.start(lambda: port_open(found), 60)
        for path in ("/healthcheck", "/tools/flower/healthcheck"):
            assert ask(found, path)[:2] == (200, b"OK")
        pages = ("/", "/tasks", "/broker", "/workers")
        for page in pages:
            status, body, _ = ask(found, "/tools/flower" + page, authorization=basic(PASSWORD))
            assert status == 200, page
            links = set(re.findall(r'(?:href|src)="(/[^"]*)"', body.decode()))
            assert links
            assert {link for link in links if not link.startswith("/tools/flower/")} == set()
            for link in links:
                if "/static/" in link:
                    assert ask(found, link, authorization=basic(PASSWORD))[0] == 200, link
        lengths = ask(found, "/tools/flower/api/queues/length", authorization=basic(PASSWORD))
        assert b"umpire.mock" in lengths[1]
        assert ask(found, "/tools/flower/tasks")[:2] == (401, b"")
        assert ask(found, "/tasks", authorization=basic(PASSWORD))[0] == 404
    finally:
        process.kill()


def test_its_pages_work_with_a_redis_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    found = free_port()
    with redis_with_tls(authority) as url:
        settings = {"UMPIRE_FLOWER_BASIC_AUTH": PASSWORD, "UMPIRE_REDIS_URL": url}
        settings["UMPIRE_REDIS_CA_LOCATION"] = str(authority.certificate)
        process = Process("flower", [*UMPIRE, "flower", "--port", str(found)], tmp_path / "log", settings)
        try:
            process.start(lambda: port_open(found), 60)
            status, body, _ = ask(found, "/broker", authorization=basic(PASSWORD))
            assert status == 200
            assert b"umpire.mock" in body
            assert b"umpire.mock" in ask(found, "/api/queues/length", authorization=basic(PASSWORD))[1]
            assert "Unable to get queues" not in (tmp_path / "log").read_text()
        finally:
            process.kill()


def test_its_metrics_port_serves_its_process(tmp_path: Path, redis_url: str) -> None:
    """By itself, with UMPIRE_METRICS_PORT; the page's own /metrics stays behind the password."""
    found, metrics = free_port(), free_port()
    settings = {"UMPIRE_FLOWER_BASIC_AUTH": PASSWORD, "UMPIRE_REDIS_URL": redis_url}
    settings["UMPIRE_METRICS_PORT"] = str(metrics)
    process = Process("flower", [*UMPIRE, "flower", "--port", str(found)], tmp_path / "log", settings)
    try:
        process.start(lambda: port_open(found), 60)
        status, body, headers = ask(metrics, "/metrics")
        assert (status, headers["server"]) == (200, "umpire")
        told = {sample.name for family in text_string_to_metric_families(body.decode()) for sample in family.samples}
        assert told >= {"process_resident_memory_bytes", "process_cpu_seconds_total", "llm_provider_build_info"}
        for path in ("/healthz", "/readyz"):
            assert json.loads(ask(metrics, path)[1])["processes"] == {"flower-1": True}
        assert ask(metrics, "/tasks")[0] == 404
        assert ask(found, "/metrics")[0] == 401
    finally:
        process.kill()


def test_a_taken_metrics_port_is_told(tmp_path: Path, redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"UMPIRE_FLOWER_BASIC_AUTH": PASSWORD, "UMPIRE_REDIS_URL": redis_url}
        done = umpire("flower", "--port", 0, UMPIRE_METRICS_PORT=str(port), **settings)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is already in use; choose another with UMPIRE_METRICS_PORT" in done.stderr
