"""Clients that send and do not read: their memory is bounded, they are disconnected, and all memory is released."""

import asyncio
import contextlib
import gc
import itertools
import socket

import psutil
import pytest
from umpire_service import NO_KAFKA, running_api, settings_of
from umpire_worker import api as api_process

import web.connection.coalescing_transport
import web.connection.pipeline
from devtools.servers import apoll
from web.connection.protocol import Protocol

pytestmark = pytest.mark.redis

DOCUMENT = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

CONNECTIONS, PIPELINED = 40, 14_000
#: MB of an API process at rest. It starts at 90; 40 such connections took 1,100 and kept them.
BEARABLE = 150


@contextlib.asynccontextmanager
async def deaf(port, data):
    """A client that sends as much of `data` as the server accepts, and reads nothing."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
    writer.transport.pause_reading()
    writer.write(data)
    try:
        yield writer
    finally:
        writer.transport.abort()


@pytest.mark.stack
async def test_memory_comes_back_after_forty_clients_that_never_read(redis_url):
    async with api_process(UMPIRE_REDIS_URL=redis_url, UMPIRE_KAFKA_BOOTSTRAP=NO_KAFKA) as (client, process):
        memory = psutil.Process(process.pid)

        def size():
            return memory.memory_info().rss / 1e6

        async with contextlib.AsyncExitStack() as stack:
            for _ in range(CONNECTIONS):
                await stack.enter_async_context(deaf(client.base_url.port, DOCUMENT * 12 + HEALTH * PIPELINED))
            for _ in range(20):
                assert (await client.get("/healthz")).status_code == 200
                await asyncio.sleep(0.1)
            meanwhile = size()
        await apoll(lambda: size() < BEARABLE, 60, every=0.5, what=f"below {BEARABLE} MB; it was {meanwhile:.0f}")
        assert meanwhile < 2 * BEARABLE


async def test_a_client_that_never_reads_is_disconnected(redis_url, monkeypatch):
    monkeypatch.setattr(web.connection.pipeline, "WRITE_SECONDS", 1.0)
    async with running_api(settings_of(redis_url)) as api, deaf(api.port, DOCUMENT * 200):
        await apoll(lambda: connections(api), what="it is connected")
        await apoll(lambda: not connections(api), 10, what="it is disconnected")


@pytest.mark.parametrize("half_closed", [False, True])
async def test_a_closed_connection_does_not_wait_for_ever_for_its_reader(redis_url, monkeypatch, half_closed):
    """Its transport still has data to write, but too little for `pause_writing`."""
    monkeypatch.setattr(web.connection.pipeline, "WRITE_SECONDS", 1_000.0)
    monkeypatch.setattr(web.connection.coalescing_transport, "CLOSE_SECONDS", 1.0)
    async with running_api(settings_of(redis_url)) as api:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
            client.connect(("127.0.0.1", api.port))
            await apoll(lambda: connections(api), what="it is connected")
            (protocol,) = connections(api)
            protocol.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_024)
            client.sendall(DOCUMENT if half_closed else DOCUMENT.replace(b"1.1", b"1.0"))
            if half_closed:
                await asyncio.sleep(0.3)
                client.shutdown(socket.SHUT_WR)
            await apoll(protocol.transport.is_closing, what="it is closed")
            assert connections(api)
            await apoll(lambda: not connections(api), 10, what="it is gone")


async def test_a_slow_reader_gets_everything(redis_url, monkeypatch):
    """A client that reads slowly is not disconnected, and no pipelined request is lost at the bounds."""
    monkeypatch.setattr(web.connection.pipeline, "WRITE_SECONDS", 1.0)
    count = 40 * web.connection.pipeline.MAX_PIPELINED
    async with running_api(settings_of(redis_url)) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(b"".join(b"GET /nowhere-%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(count)))
        seen = []
        for n in itertools.count():
            if n % 100 == 0:
                await asyncio.sleep(0.05)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            seen.append(int(body.partition(b"/nowhere-")[2].partition(b'"')[0]))
            if len(seen) == count:
                break
        assert seen == list(range(count))
        writer.close()


async def test_a_lost_connection_leaves_no_garbage_for_the_collector(redis_url):
    """The API's garbage collector runs seldom: a reference cycle would stay for hours."""
    async with running_api(settings_of(redis_url)) as api:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                async with deaf(api.port, DOCUMENT * 12 + HEALTH * 1_000):
                    await apoll(lambda: connections(api), what="it is connected")
                    await asyncio.sleep(0.2)
                await apoll(lambda: not connections(api), what="it is gone")
            await asyncio.sleep(0.1)
            assert [one for one in gc.get_objects() if isinstance(one, Protocol)] == []
        finally:
            gc.enable()


def connections(api):
    return api.server.server_state.connections
