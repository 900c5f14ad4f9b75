"""A response without a request is never an answer. And aiohttp's private API is as http/connection.py expects."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from devtools.providers import REAL, VERDICT, body_of, call_for, connected
from devtools.servers import apoll
from devtools.upstream import Connection, answer, upstream
from providers.answers.verdict import parse_verdict
from providers.base import Provider
from providers.http import connection as ours
from providers.http.connection import Connector

every = pytest.mark.parametrize("provider", REAL)

#: Of another essay: a verdict that nobody asked for.
WRONG = {**VERDICT, "confidence": 1}


def _response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _chunked(body: bytes) -> bytes:
    head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return f"{head}{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"


def _sends(*parts: bytes) -> Any:
    """Each part in a segment of its own."""

    async def send(connection: Connection) -> None:
        for part in parts:
            connection.writer.write(part)
            await connection.writer.drain()
            await asyncio.sleep(0.02)

    return send


async def _confidence(adapter: Provider, provider: LLMProviderType) -> float:
    return parse_verdict(await adapter.complete(call_for(provider))).confidence


def _both(provider: LLMProviderType, whole: Any = _response) -> tuple[bytes, bytes]:
    return whole(dumps(body_of(provider))), _response(dumps(body_of(provider, json.dumps(WRONG))))


@every
@pytest.mark.parametrize("whole", [_response, _chunked])
@pytest.mark.parametrize("begun", [1, 20, 60, None])
@pytest.mark.parametrize("apart", [None, 300])
async def test_bytes_glued_to_an_answer(
    provider: LLMProviderType, whole: Any, begun: int | None, apart: int | None
) -> None:
    """A second response, whole or begun, in the segment with the end of the first."""
    first, second = _both(provider, whole)
    glued = first + second[:begun]
    parts = (glued,) if apart is None else (glued[:apart], glued[apart:])
    async with (
        upstream(_sends(*parts), answer(200, body_of(provider))) as server,
        connected(provider, server.url) as adapter,
    ):
        assert await _confidence(adapter, provider) == 4
        await apoll(lambda: not server.open_connections, what="the end of the connection")
        assert await _confidence(adapter, provider) == 4
        assert len(server.calls) == 2


@every
async def test_bytes_that_come_while_idle(provider: LLMProviderType) -> None:
    first, second = _both(provider)
    async with (
        upstream(_sends(first, second), answer(200, body_of(provider))) as server,
        connected(provider, server.url) as adapter,
    ):
        assert await _confidence(adapter, provider) == 4
        await apoll(lambda: not server.open_connections, what="the end of the connection")
        assert await _confidence(adapter, provider) == 4
        assert len(server.calls) == 2


@every
async def test_bytes_that_the_event_loop_has_not_read(provider: LLMProviderType) -> None:
    """They are in the socket when the connection is asked for again."""
    first, second = _both(provider)
    async with (
        upstream(_sends(first), answer(200, body_of(provider))) as server,
        connected(provider, server.url) as adapter,
    ):
        assert await _confidence(adapter, provider) == 4
        (task,) = server.tasks
        loop = asyncio.get_running_loop()
        writer = task.get_coro().cr_frame.f_locals["writer"]  # type: ignore[union-attr]
        await asyncio.sleep(0.05)
        loop.call_soon(writer.write, second)  # and the next call starts before the loop polls again
        await asyncio.sleep(0)
        assert await _confidence(adapter, provider) == 4
        assert len(server.calls) == 2


@every
async def test_a_good_connection_is_used_again(provider: LLMProviderType) -> None:
    """For answers of every framing and size, after early hints, and however they come apart."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    large = dumps(body_of(provider) | {"pad": "x" * 1_000_000})
    plain, _ = _both(provider)
    chunked, _ = _both(provider, _chunked)
    answers = [
        _sends(plain),
        _sends(chunked),
        _sends(plain[:50], plain[50:]),
        _sends(chunked[:-3], chunked[-3:]),
        _sends(hints + plain),
        _sends(hints, plain),
        _sends(_response(large)),
        _sends(_chunked(large)),
    ]
    async with upstream(*answers) as server, connected(provider, server.url) as adapter:
        for _ in answers:
            assert await _confidence(adapter, provider) == 4
            (only,) = server.tasks
            await asyncio.sleep(0.05)
            assert server.tasks == {only}


@pytest.mark.parametrize("begun", [0, 1, 20, 60, None])
async def test_what_was_read_before_the_end_of_the_request_is_seen_there(begun: int | None) -> None:
    connection = ours.ProviderConnection(asyncio.get_running_loop())
    with socket.socket() as unused:
        connection.connection_made(asyncio.Transport({"socket": unused}))
    connection.set_response_params()
    connection.data_received(_response(b"{}") + _response(b"{}")[:begun])
    await connection.read()
    assert connection.ends() is (begun == 0)


async def test_aiohttp_is_as_it_was() -> None:
    """Which parts of it are used is said in providers/http/connection.py."""
    made: list[ResponseHandler] = []
    released: list[tuple[Any, bool]] = []
    asked: list[str] = []

    class Seen(ours.ProviderConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            made.append(self)

        def set_response_params(self, **params: Any) -> None:
            asked.append("params")
            super().set_response_params(**params)

        def is_connected(self) -> bool:
            asked.append("connected")
            return super().is_connected()

    class Watched(Connector):
        def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
            released.append((protocol, should_close))
            super()._release(key, protocol, should_close=should_close)

    async with upstream(answer(200, {})) as server:
        connector = Watched()
        assert connector._factory().__class__ is ours.ProviderConnection
        connector._factory = lambda: Seen(asyncio.get_running_loop())  # type: ignore[assignment, misc]
        async with aiohttp.ClientSession(connector=connector) as session:
            for _ in range(2):
                asked.clear()
                async with session.get(server.url) as response:
                    assert await response.read() == b"{}"
            assert asked[:2] == ["connected", "params"], "asked before it is taken, and told of each request"
            (protocol,) = made
            assert released == [(protocol, False)] * 2, "released once a response, by the connector"
            assert protocol._parser.feed_eof() is None
            for begun in (
                b"H",
                b"HTTP/1.1 200 O",
                b"HTTP/1.1 200 OK\r\nx: y",
                b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nx",
            ):
                parser = _parser(protocol)
                parser.feed_data(begun)
                assert _has_begun(parser), begun
            parser = _parser(protocol)
            parser.feed_data(_response(b"{}"))
            assert not _has_begun(parser)


def _parser(protocol: ResponseHandler) -> Any:
    protocol.set_response_params()
    return protocol._parser


def _has_begun(parser: Any) -> bool:
    try:
        return parser.feed_eof() is not None
    except Exception:  # noqa: BLE001 - what is there of it is no response
        return True
