"""Ports are taken at once, or refused with the words that mend it."""

import socket

import pytest

from cli.failure import Failure
from cli.supervise.ports import free_port, listen, url_of


def test_port_0_is_any_free_one_and_the_url_says_which() -> None:
    with listen("127.0.0.1", 0, setting="UMPIRE_PORT") as server:
        assert url_of(server) == f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_wildcard_address_is_reached_over_loopback() -> None:
    with listen("0.0.0.0", 0, setting="UMPIRE_PORT") as server:  # noqa: S104 - the case
        assert url_of(server).startswith("http://127.0.0.1:")


def test_a_taken_port_is_named_with_its_setting() -> None:
    with listen("127.0.0.1", 0, setting="--port") as server:
        port = server.getsockname()[1]
        with pytest.raises(
            Failure, match=rf"port {port} of 127\.0\.0\.1 is already in use; choose another with --port"
        ):
            listen("127.0.0.1", port, setting="--port")


def test_an_impossible_address_is_named_with_its_setting() -> None:
    with pytest.raises(Failure, match="UMPIRE_HOST"):
        listen("no such host", 0, setting="UMPIRE_HOST")


def test_a_server_that_restarts_gets_its_port_back() -> None:
    """Below the range from which the kernel gives ports to outgoing connections."""
    port = free_port()
    assert port < 32_768
    with socket.create_server(("127.0.0.1", port)):
        pass
