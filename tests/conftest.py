"""Fixtures of all rooms: real servers, a clean environment, and no network.

A server that cannot be had skips its tests locally, and fails them in CI (CI=true).
"""

import contextlib
import ipaddress
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from devtools.aimock import Aimock
from devtools.kafka import EmbeddedKafka, KafkaServer
from devtools.postgres import PostgresServer
from devtools.redis import RedisServer
from devtools.servers import ServerMissing

T = TypeVar("T")

#: Reason → tests that were not run for it.
_missing: Counter[str] = Counter()
_embedded_instead: set[str] = set()

for _name in [name for name in os.environ if name.startswith("UMPIRE_")]:
    del os.environ[_name]
# The threads of numpy's BLAS wait for each other in busy loops: beside other processes they make a fit 20 times slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def need(make: Callable[[], T]) -> T:
    """A server, or the skip (in CI: the failure) that says why there is none."""
    try:
        return make()
    except ServerMissing as missing:
        _missing[str(missing)] += 1
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have every server; {missing}", pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture
def need_tool() -> Callable[[Callable[[], T]], T]:
    """As `need`, for a tool that a test runs."""
    return need


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of xdist hands what it missed to the one that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["missing"], output["embedded"] = dict(_missing), sorted(_embedded_instead)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", {})
    _missing.update(output.get("missing", {}))
    _embedded_instead.update(output.get("embedded", []))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _missing and not _embedded_instead:
        return
    terminalreporter.section("servers")
    for reason, tests in sorted(_missing.items()):
        terminalreporter.write_line(f"missing {reason} ({tests} not run for it)")
    for reason in sorted(_embedded_instead):
        terminalreporter.write_line(f"embedded Kafka in place of Apache Kafka: {reason}")


class _Lazy:
    """A server of the session, started by the first test that needs it; its absence counted for each."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._server: Any = None
        self._missing: ServerMissing | None = None

    def get(self) -> Any:
        if self._missing is not None:
            raise self._missing
        if self._server is None:
            try:
                self._server = self._make()
            except ServerMissing as missing:
                self._missing = missing
                raise
            self._server.start()
        return self._server

    def discard(self) -> None:
        if self._server is not None:
            self._server.discard()


def _session(make: Callable[[], Any]) -> Iterator[_Lazy]:
    lazy = _Lazy(make)
    yield lazy
    lazy.discard()


@pytest.fixture(scope="session")
def _redis() -> Iterator[_Lazy]:
    yield from _session(RedisServer)


@pytest.fixture(scope="session")
def _real_kafka() -> Iterator[_Lazy]:
    yield from _session(KafkaServer)


@pytest.fixture(scope="session")
def _embedded_kafka() -> Iterator[_Lazy]:
    yield from _session(EmbeddedKafka)


@pytest.fixture(scope="session")
def _postgres() -> Iterator[_Lazy]:
    yield from _session(PostgresServer)


@pytest.fixture
def postgres_url(_postgres: _Lazy) -> Iterator[str]:
    """UMPIRE_DATABASE_URL of an empty database on the session's PostgreSQL. Do not stop that server."""
    server: PostgresServer = need(_postgres.get)
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def postgres_server() -> Iterator[Callable[..., PostgresServer]]:
    """Factory of running PostgreSQLs of the test's own, to kill, freeze and start again."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> PostgresServer:
            server = need(lambda: PostgresServer(**options))
            stack.callback(server.discard)
            return server.start()

        yield make


@pytest.fixture
def redis_url(_redis: _Lazy) -> str:
    """URL of an empty database on the session's Redis. Do not stop or configure that server: see `redis_server`."""
    server: RedisServer = need(_redis.get)
    server.command("FLUSHALL")
    return server.url


@pytest.fixture
def redis_server() -> Iterator[Callable[..., RedisServer]]:
    """Factory: `redis_server(aof=True)` is a running Redis of the test's own, to kill, freeze and start again."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> RedisServer:
            server = need(lambda: RedisServer(**options))
            stack.callback(server.discard)
            return server.start()

        yield make


@pytest.fixture
def kafka_bootstrap(_real_kafka: _Lazy, _embedded_kafka: _Lazy) -> str:
    """host:port of Apache Kafka; of the embedded broker where it cannot be had (in CI that fails)."""
    try:
        server = _real_kafka.get()
    except ServerMissing as missing:
        if os.environ.get("CI") == "true":
            need(_real_kafka.get)
        _embedded_instead.add(missing.reason)
        server = _embedded_kafka.get()
    bootstrap: str = server.bootstrap
    return bootstrap


@pytest.fixture(params=["embedded", "apache"])
def any_kafka(request: pytest.FixtureRequest, _real_kafka: _Lazy, _embedded_kafka: _Lazy) -> str:
    """host:port; the test runs twice, on the embedded broker and on Apache Kafka."""
    bootstrap: str = need((_real_kafka if request.param == "apache" else _embedded_kafka).get).bootstrap
    return bootstrap


@pytest.fixture
def kafka_server() -> Iterator[Callable[..., KafkaServer]]:
    """Factory of running Apache Kafkas of the test's own, to stop, freeze and start again."""
    with contextlib.ExitStack() as stack:

        def make(**properties: str) -> KafkaServer:
            server = need(lambda: KafkaServer(**properties))
            stack.callback(server.discard)
            return server.start()

        yield make


@pytest.fixture
def embedded_kafka() -> Iterator[Callable[[], EmbeddedKafka]]:
    """Factory of embedded brokers of the test's own."""
    with contextlib.ExitStack() as stack:

        def make() -> EmbeddedKafka:
            server = EmbeddedKafka()
            stack.callback(server.discard)
            return server.start()

        yield make


@pytest.fixture(scope="module")
def _aimock() -> Iterator[_Lazy]:
    yield from _session(Aimock)


@pytest.fixture
def aimock(_aimock: _Lazy) -> Aimock:
    """aimock, one process per test module, reset for each test: no fixtures, no chaos, empty journal."""
    server: Aimock = need(_aimock.get)
    server.reset()
    return server


@pytest.fixture
def aimock_server() -> Iterator[Callable[..., Aimock]]:
    """Factory of aimocks of the test's own: `aimock_server(fixtures=[…], options=("--latency", "50"))`."""
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> Aimock:
            server = need(lambda: Aimock(**options))
            stack.callback(server.discard)
            return server.start()

        yield make


@pytest.fixture
def every_server() -> None:
    """Redis, Apache Kafka and aimock can be had: for a command that starts its own."""
    for server in (RedisServer, KafkaServer, Aimock):
        need(server).discard()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would leave this machine fails: no test may reach, or pay, a real API."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(real: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
                raise ConnectionRefusedError(f"tests reach no network: {address[0]}")
            return real(self, address)

        return call

    monkeypatch.setattr(socket.socket, "connect", guarded(connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(connect_ex))


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified
