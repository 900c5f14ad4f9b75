"""200 clients post 10 MB each at once: the memory of a real API process stays bounded, and it answers every client."""

import asyncio
import contextlib
import json
from collections import Counter

import psutil
import pytest
from umpire_service import NO_KAFKA
from umpire_worker import api

pytestmark = [pytest.mark.redis, pytest.mark.stack]

CLIENTS, SIZE = 200, 10_000_000
#: Above its size at the start, in MB. Unbounded it took 2,000 for a hundred of them.
BEARABLE = 500

BODY = json.dumps(
    {"user_prompt": "x", "callback_topic": "t", "processing_mode": "queue", "metadata": {"x": "word " * (SIZE // 5)}}
).encode()
HEAD = b"POST /api/v1/comparison HTTP/1.1\r\nHost: localhost\r\n"

#: So that all of them are legitimate.
LARGE = {"UMPIRE_MAX_BODY_BYTES": "12000000", "UMPIRE_MAX_METADATA_BYTES": "12000000"}


async def post(port: int, *, chunked: bool) -> str:
    """The answer's status and code. Like careful clients, it reads while it sends the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(
                HEAD + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(BODY))
            )
            for start in range(0, len(BODY), 65_536):
                part = BODY[start : start + 65_536]
                writer.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                await writer.drain()
            if chunked:
                writer.write(b"0\r\n\r\n")

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(60):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split("\r\n")[0])
            return f"{head[9:12]} {json.loads(await reader.readexactly(length)).get('error_code', 'accepted')}"
    finally:
        sending.cancel()
        writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("settings", [{}, LARGE], ids=["over the limit", "within the limit"])
async def test_memory_stays_bounded(redis_url, settings, chunked):
    async with api(UMPIRE_REDIS_URL=redis_url, UMPIRE_KAFKA_BOOTSTRAP=NO_KAFKA, **settings) as (client, process):
        memory = psutil.Process(process.pid)
        sizes = [memory.memory_info().rss]
        posts = [asyncio.create_task(post(client.base_url.port, chunked=chunked)) for _ in range(CLIENTS)]
        meanwhile: list[int] = []
        small = {"user_prompt": "x", "callback_topic": "t", "processing_mode": "queue"}
        while not all(one.done() for one in posts):
            meanwhile.append((await client.post("/api/v1/comparison", json=small)).status_code)
            sizes.append(memory.memory_info().rss)
            await asyncio.sleep(0.02)
        answers = Counter(one.result() for one in posts)
        grown = (max(sizes) - sizes[0]) / 1e6
        assert grown < BEARABLE, (grown, answers)
        refused = {"503 LLM_QUEUE_FULL"} if settings else {"413 LLM_CONTENT_TOO_LONG", "503 LLM_QUEUE_FULL"}
        assert answers.keys() <= refused | {"202 accepted"}
        assert ("202 accepted" in answers) == bool(settings), answers
        assert meanwhile.count(202) >= 0.8 * len(meanwhile), Counter(meanwhile)
