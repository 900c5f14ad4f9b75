"""The one Redis client factory."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

#: Far above what a process uses, since group commits share round trips. At the limit, commands wait for a connection.
MAX_CONNECTIONS = 1_000


def connect(
    url: str, *, timeout: float, max_connections: int = MAX_CONNECTIONS, tls: Mapping[str, Any] = MappingProxyType({})
) -> Redis:
    """A client that answers or fails within `timeout` seconds. It never retries: the caller knows what is safe.

    Commands beyond `max_connections` wait for a connection instead of failing: hundreds of waiters may wake at once.
    `tls`: from RedisSettings.address.
    Raises nothing: connections are made on first use, so that a process can start while Redis is unavailable.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **tls,
    )
    return Redis(connection_pool=pool)
