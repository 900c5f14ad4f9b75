"""Fills the ledger without an API, with the product's Ledger.admit, as fast as Redis takes it."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import uuid4

from benchmarks.events import Stuck
from benchmarks.load import comparison_body
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.http import LLMComparisonRequest
from contracts.settings import LedgerSettings
from ledger.ledger import Ledger
from ledger.redis.connection import connect
from ledger.request import StoredRequest
from providers.models.manifest import Manifest

#: Admits that share a round trip (ledger/redis/group_commit.py).
_CALLERS = 64
_TTL = timedelta(hours=4)


class Filler:
    """Comparisons like those of the load client, for one topic. `count` is how many there are so far."""

    def __init__(self, redis_url: str, topic: str) -> None:
        self.count = 0
        self._runner = asyncio.Runner()
        self._redis = connect(redis_url, timeout=30.0)
        self._ledger = Ledger(self._redis, LedgerSettings(), timeout=30.0)
        self._request = LLMComparisonRequest.model_validate_json(comparison_body(topic))
        self._model = Manifest.load().default(LLMProviderType.ANTHROPIC).model_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._runner.run(self._redis.aclose())
        self._runner.close()

    def fill(self, count: int) -> None:
        """Raises Stuck when Redis does not take them."""
        try:
            self._runner.run(self._fill(count))
        except UmpireError as error:
            raise Stuck(f"the ledger was not filled: {error}") from error
        self.count += count

    async def _fill(self, count: int) -> None:
        left = iter(range(count))

        async def caller() -> None:
            for _ in left:
                await self._ledger.admit(self._stored())

        await asyncio.gather(*(caller() for _ in range(min(_CALLERS, count))))

    def _stored(self) -> StoredRequest:
        now = utcnow()
        return StoredRequest(
            queue_id=uuid4(),
            correlation_id=uuid4(),
            request=self._request,
            provider=LLMProviderType.ANTHROPIC,
            model=self._model,
            requested_at=now,
            expires_at=now + _TTL,
        )
