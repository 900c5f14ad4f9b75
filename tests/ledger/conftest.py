from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from umpire_ledger import House

from ledger.redis.connection import connect


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url, timeout=2.0)
    yield client
    await client.aclose()


@pytest.fixture
def house(redis: Redis) -> House:
    return House(redis)
