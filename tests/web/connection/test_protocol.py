"""Slow, endless, malformed and pipelined requests on one connection: each gets a typed problem or its answer."""

import asyncio
import contextlib
import itertools
import json
import time

import pytest
from umpire_service import BODY, SECRET, admitted, running_api, settings_of

import web.connection.protocol
from access.api_key import DEFAULT_SCOPES
from access.api_keys import ApiKeys
from devtools.servers import apoll
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch):
    monkeypatch.setattr(web.connection.protocol, "LINGER_SECONDS", 0.2)


GOOD = json.dumps({**BODY, "processing_mode": "queue"}).encode()
POST = b"POST /api/v1/comparison HTTP/1.1\r\nHost: localhost\r\n"


def sized(body: bytes, length: int | None = None, more: bytes = b"") -> bytes:
    return POST + more + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "websocket": b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
}
upgrades = pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)


@contextlib.asynccontextmanager
async def connection(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer_of(reader):
    """Status, headers, and the body as JSON."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    assert SECRET.encode() not in body
    return int(head[0].split(" ")[1]), headers, json.loads(body) if body else None


def is_problem(answer, status, code="LLM_INVALID_CONFIG"):
    actual, headers, body = answer
    assert (actual, headers["content-type"], body["error_code"]) == (status, "application/problem+json", code), body
    return headers


async def until_closed(reader, seconds=10.0):
    async with asyncio.timeout(seconds):
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass


async def drip(writer, data=b"x", every=0.05):
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(every)


async def test_a_dripping_body_ends_in_408_and_the_connection_is_closed(redis_url):
    async with running_api(settings_of(redis_url, body_seconds=1.0)) as api, connection(api) as (reader, writer):
        writer.write(sized(b"", 1_000))
        dripping = asyncio.create_task(drip(writer))
        started = time.monotonic()
        assert is_problem(await answer_of(reader), 408)["connection"] == "close"
        await until_closed(reader)
        assert 0.9 < time.monotonic() - started < 5
        await dripping
        assert await admitted(api) == 0


async def test_a_dripping_head_ends_in_408_and_an_idle_connection_ends(api, monkeypatch):
    monkeypatch.setattr(web.connection.protocol, "HEAD_SECONDS", 1.0)
    async with connection(api) as (reader, writer), connection(api) as (idle, _):
        writer.write(POST)
        dripping = asyncio.create_task(drip(writer, b"a: b\r\n"))
        is_problem(await answer_of(reader), 408)
        await until_closed(reader)
        assert not await asyncio.wait_for(idle.read(), 5)
        await dripping


async def test_a_body_that_the_application_does_not_read_has_a_time_limit(api, monkeypatch):
    monkeypatch.setattr(web.connection.protocol, "HEAD_SECONDS", 1.0)
    async with connection(api) as (reader, writer):
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        is_problem(await answer_of(reader), 404)
        dripping = asyncio.create_task(drip(writer))
        await until_closed(reader)
        await dripping


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (b"".join(b"h%d: x\r\n" % n for n in range(10_000)), "many"),
        (b"".join(b"h: %s\r\n" % (b"x" * 10_000) for _ in range(50)), "long"),
        (b"h: " + b"x" * 5_000_000, "one, endless"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_headers_are_bounded(api, lines, what):
    async with connection(api) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(POST + lines)
        is_problem(await answer_of(reader), 431)


async def test_a_head_in_one_packet_is_bounded_too(api):
    """The parser has the whole head before the protocol can count packets."""
    many = b"".join(b"h: %s\r\n" % (b"x" * 10_000) for _ in range(7))
    for head, status in [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + UPGRADES["h2c"] + many + b"\r\n", 431),
        (b"GET /healthz?%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * 9_000), 414),
        (b"GET /healthz?" + b"x" * 60_000, 414),
        (b"GET /healthz?%s HTTP/1.1\r\nHost: localhost\r\nh: %s\r\n\r\n" % (b"x" * 8_000, b"x" * 50_000), 200),
    ]:
        async with connection(api) as (reader, writer):
            writer.write(head)
            answer = await answer_of(reader)
            if status == 200:
                assert answer[0] == status
            else:
                is_problem(answer, status)
                await until_closed(reader)


async def test_trailers_do_not_become_headers(redis_url):
    """Not even if they share a packet with the head: the request has not started by then."""
    settings = settings_of(redis_url, auth="keys", immediate_wait_seconds=0)
    async with running_api(settings) as api, admin(api) as key:
        authorization = b"Authorization: Bearer %s\r\n" % key

        async def status(head, trailers):
            async with connection(api) as (reader, writer):
                chunks = b"%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD)
                writer.write(POST + head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + trailers + b"\r\n")
                actual, headers, _ = await answer_of(reader)
                return actual, "preference-applied" in headers

        assert await status(b"", authorization) == (401, False)
        for _ in range(2):
            trailers = b"Idempotency-Key: one-and-the-same\r\nPrefer: respond-async\r\n"
            assert await status(authorization, trailers) == (202, False)
        assert await admitted(api) == 2


@contextlib.asynccontextmanager
async def admin(api):
    """An API key."""
    redis = connect(api.settings.redis.redis_url.get_secret_value(), timeout=2.0)
    _, text = await ApiKeys(redis).create("", DEFAULT_SCOPES, (), rate=None, max_queued=None, daily_cost=None)
    await redis.aclose()
    yield text.encode()


async def test_trailers_are_bounded(api):
    async with connection(api) as (reader, writer):
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD))
        await asyncio.sleep(0)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b"t: %s\r\n" % (b"x" * 100_000))
                await writer.drain()
        is_problem(await answer_of(reader), 431)
    assert await admitted(api) == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        POST + b"Content-Length: -5\r\n\r\n",
        POST + b"Content-Length: 5, 7\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"X: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
    ],
)
async def test_invalid_http_is_a_typed_400(api, garbage):
    async with connection(api) as (reader, writer):
        writer.write(garbage)
        assert is_problem(await answer_of(reader), 400)["connection"] == "close"
        await until_closed(reader)
    assert not api.notes.named("error.unexpected")


async def test_a_length_that_is_too_small_cuts_the_body_off(api):
    async with connection(api) as (reader, writer):
        writer.write(sized(GOOD, len(GOOD) - 20))
        is_problem(await answer_of(reader), 422)
        await until_closed(reader)
    assert await admitted(api) == 0


async def test_garbage_after_a_request_does_not_take_its_answer(api):
    """The request may have been accepted, so its client must get the answer."""
    async with connection(api) as (reader, writer):
        writer.write(sized(GOOD) + b"garbage\r\n\r\n" * 10)
        status, _, body = await answer_of(reader)
        assert (status, body["status"]) == (202, "queued")
        await until_closed(reader)
    assert await admitted(api) == 1


async def test_pipelined_requests_are_answered_in_order(api):
    async with connection(api) as (reader, writer):
        health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        writer.write((sized(GOOD) + health + sized(b"{}")) * 20)
        answers = [(await answer_of(reader))[0] for _ in range(60)]
        assert answers == [202, 200, 422] * 20
    assert await admitted(api) == 20


@upgrades
async def test_an_unsupported_upgrade_is_an_ordinary_request(api, upgrade):
    """The HttpClient of the JDK asks for h2c with its first request. Its body is read however it is split."""
    asked = sized(GOOD, more=upgrade)
    head = len(asked) - len(GOOD)
    for cuts in ([], [head], [head - 1], [head + 9], range(1, len(asked))):
        async with connection(api) as (reader, writer):
            for start, end in itertools.pairwise([0, *cuts, len(asked)]):
                writer.write(asked[start:end])
                await writer.drain()
                await asyncio.sleep(0.02 if len(cuts) == 1 else 0)
            status, headers, body = await answer_of(reader)
            assert (status, body["status"]) == (202, "queued")
            assert "upgrade" not in headers
            writer.write(HEALTH)
            assert (await answer_of(reader))[0] == 200
    assert await admitted(api) == 5


@upgrades
async def test_a_chunked_body_after_an_ignored_upgrade(api, upgrade):
    async with connection(api) as (reader, writer):
        writer.write(POST + upgrade + b"Transfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD) + HEALTH)
        assert [(await answer_of(reader))[0] for _ in range(2)] == [202, 200]
    assert await admitted(api) == 1


@upgrades
@pytest.mark.parametrize("packets", [1, 2])
async def test_a_body_that_looks_like_a_request_is_not_parsed_as_one(api, upgrade, packets):
    hidden = sized(GOOD)
    async with connection(api) as (reader, writer):
        writer.write(sized(b"", len(hidden), upgrade))
        if packets == 2:
            await asyncio.sleep(0.05)
        writer.write(hidden + HEALTH)
        is_problem(await answer_of(reader), 422)
        assert (await answer_of(reader))[0] == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
    assert await admitted(api) == 0


async def test_pipelined_requests_may_all_ask_for_upgrades(api):
    async with connection(api) as (reader, writer):
        each = [sized(GOOD, more=upgrade) + HEALTH + sized(b"{}", more=upgrade) for upgrade in UPGRADES.values()]
        writer.write(b"".join(each) * 10)
        answers = [(await answer_of(reader))[0] for _ in range(60)]
        assert answers == [202, 200, 422] * 20
    assert await admitted(api) == 20


async def test_a_web_socket_is_answered_like_any_request(redis_url):
    asked = b"GET %s HTTP/1.1\r\nHost: localhost\r\n" + UPGRADES["websocket"] + b"\r\n"
    async with running_api(settings_of(redis_url)) as api, connection(api) as (reader, writer):
        writer.write(asked % b"/nowhere")
        is_problem(await answer_of(reader), 404)
        writer.write(asked % b"/api/v1/comparison")
        assert is_problem(await answer_of(reader), 405)["allow"] == "options, post"
        writer.write(asked % b"/healthz")
        assert (await answer_of(reader))[0] == 200
    async with running_api(settings_of(redis_url, auth="keys")) as api, connection(api) as (reader, writer):
        for path in (b"/nowhere", b"/api/v1/comparison", b"/api/v1/models"):
            writer.write(asked % path)
            is_problem(await answer_of(reader), 401, "LLM_AUTHENTICATION_FAILED")


@upgrades
async def test_an_invalid_request_with_an_ignored_upgrade_is_a_typed_problem(api, upgrade):
    for lines, status in [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"Content-Length: 2\r\n\r\n[]garbage\r\n\r\n", 422),
        (b"".join(b"h%d: x\r\n" % n for n in range(100)) + b"\r\n", 431),
    ]:
        async with connection(api) as (reader, writer):
            writer.write(POST + upgrade + lines)
            is_problem(await answer_of(reader), status)
            await until_closed(reader)


@pytest.mark.parametrize("target", [b"example.org:443", b"/api/v1/comparison"])
async def test_connect_is_405(api, target):
    async with connection(api) as (reader, writer):
        writer.write(b"CONNECT " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" + HEALTH)
        headers = is_problem(await answer_of(reader), 405)
        assert (headers["allow"], headers["connection"]) == ("", "close")
        assert not await asyncio.wait_for(reader.read(), 5)


async def test_a_body_after_an_ignored_upgrade_has_a_time_limit(redis_url):
    async with running_api(settings_of(redis_url, body_seconds=0.5)) as api, connection(api) as (reader, writer):
        writer.write(sized(b"", 1_000, UPGRADES["h2c"]))
        is_problem(await answer_of(reader), 408)
        await until_closed(reader)


async def test_expect_100_continue(redis_url):
    expect = b"Expect: 100-continue\r\n"
    async with running_api(settings_of(redis_url, max_body_bytes=10_000)) as api:
        async with connection(api) as (reader, writer):
            writer.write(sized(b"", len(GOOD), expect))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(GOOD)
            assert (await answer_of(reader))[0] == 202
        async with connection(api) as (reader, writer):
            writer.write(sized(b"", 10_001, expect))
            is_problem(await answer_of(reader), 413, "LLM_CONTENT_TOO_LONG")


@pytest.mark.parametrize("busy", [0.0, 0.02], ids=["idle", "busy"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_client_that_has_closed_its_side_gets_the_whole_answer(api, method, busy):
    """As `nc -N`: the client shuts down its side after the request."""
    for _ in range(5):
        async with connection(api) as (reader, writer):
            writer.write(HEALTH.replace(b"GET", method.encode()))
            writer.write_eof()
            await asyncio.sleep(0)
            time.sleep(busy)  # both have arrived when the loop looks
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == (0 if method == "HEAD" else length)


async def test_a_client_that_within_its_body_admits_nothing(api):
    async with connection(api) as (_, writer):
        writer.write(sized(GOOD[:-1], len(GOOD)))
        await writer.drain()
    await apoll(lambda: api.notes.named("http.client_left"), what="it is noticed")
    assert await admitted(api) == 0


def with_field(name: str, json_value: str) -> bytes:
    return f'{{"user_prompt":"x","callback_topic":"t","{name}":{json_value}}}'.encode()


N = 1_000_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (with_field("metadata", '{"x":' * 100_000 + "1" + "}" * 100_000), 413),
        (with_field("metadata", '{"x":' + "[" * 100_000 + "]" * 100_000 + "}"), 422),
        (with_field("prompt_blocks", "[" * 100_000 + "]" * 100_000), 422),
        (with_field("prompt_blocks", "[" + "{}," * N + "{}]"), 413),
        (with_field("prompt_blocks", "[" + "1," * N + "1]"), 413),
        (with_field("metadata", '{"x":[' + "[]," * N + "[]]}"), 413),
        (b'{"' + b'":1,"'.join(b"k%d" % n for n in range(300_000)) + b'":1}', 413),
        (with_field("priority", "9" * 3_900_000), 422),
        (with_field("user_prompt", '"' + "\\u0000" * 100_000 + '"'), 202),
    ],
    ids=["objects", "lists", "blocks", "empty blocks", "no blocks", "wide", "unknown fields", "digits", "NULs"],
)
async def test_no_body_within_the_limit_blocks_the_api(redis_url, body, status):
    async with running_api(settings_of(redis_url, immediate_wait_seconds=0)) as api:
        started = time.process_time()
        answered = await api.post(body)
        spent = time.process_time() - started
        assert answered.status_code == status
        # The test's own client is in it. A million findings took nine seconds.
        assert spent < 2.5
        assert len(answered.content) < 10_000
