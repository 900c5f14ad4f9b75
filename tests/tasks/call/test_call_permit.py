"""What a call is counted under before it starts."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from completion.judgement import Spent
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from devtools.providers import request_for
from guard.limits import Reservation
from ledger.request import StoredRequest
from providers.models.manifest import Manifest
from tasks.call.call_permit import CallPermit
from tasks.call.claim_state import ClaimState, NotNow, Probe


class Full:
    """A rate limit that is used up; it notes which model it is asked for."""

    def __init__(self) -> None:
        self.models: list[str] = []

    async def reserve(self, model: str, tokens: int) -> Reservation:
        self.models.append(model)
        return Reservation(model, tokens, granted=False)


@pytest.mark.parametrize(
    ("provider", "model", "counted"),
    [
        (LLMProviderType.OPENROUTER, "openai/gpt-6-luna:nitro", "openai/gpt-6-luna"),
        (LLMProviderType.OPENROUTER, "openai/gpt-6-luna", "openai/gpt-6-luna"),
        (LLMProviderType.OPENAI, "gpt-6-luna", "gpt-6-luna"),
    ],
)
async def test_openrouters_variants_count_for_their_base_model(
    provider: LLMProviderType, model: str, counted: str
) -> None:
    now = utcnow()
    stored = StoredRequest(
        queue_id=uuid4(), correlation_id=uuid4(), request=request_for(), provider=provider, model=model,
        requested_at=now, expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    limiter = Full()
    permit = CallPermit(
        limiter=cast("Any", limiter),
        gatekeeper=cast("Any", SimpleNamespace(holds=SimpleNamespace(models={}), shut=None)),
        pace=cast("Any", None),
        permits=cast("Any", None),
        policy=cast("Any", None),
        stopping=asyncio.Event(),
    )
    claim = ClaimState(stored, Spent(), Probe("a probe", breaker=True, hold=False), lambda: True)
    with pytest.raises(NotNow, match="rate_limit"):
        await permit.acquire(claim, replace(Manifest.load().default(provider), model_id=model))
    assert limiter.models == [counted]
