"""Small asyncio probes for the supervisor: whether a server answers, and with which status."""

import asyncio
from urllib.parse import urlsplit

from contracts.settings import RedisAddress

_SECONDS = 2.0


async def http_status(url: str) -> int | None:
    """The status of a GET, or None when there is no answer."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(request.encode())
                line = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return int(line[1]) if len(line) > 1 and line[1].isdigit() else None


async def redis_answers(address: RedisAddress) -> bool:
    from redis.exceptions import RedisError

    from ledger.redis.connection import connect

    client = connect(address.url, timeout=_SECONDS, tls=address.tls)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):  # refused, or still loading
        return False
    finally:
        await client.aclose()
