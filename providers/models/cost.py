"""The cost of a call, by the manifest's prices or as the provider reports it."""

from datetime import date
from functools import cache

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from providers.base import Usage
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo

_MILLION = 1_000_000

#: A reported cost is believed up to this many times the cost of the same tokens at the highest price that we know.
_BELIEVED = 100


def cost(info: ModelInfo, usage: Usage, day: date | None = None) -> float | None:
    """USD of one call; None if it is unknown because a price, or a token count that has a price, is unknown."""
    if not usage.known:
        return None
    if usage.reported_cost is not None:
        into, out = _dearest()
        most = _BELIEVED * (usage.input_tokens * into + usage.output_tokens * out) / _MILLION
        return usage.reported_cost if 0 <= usage.reported_cost < most else None
    price = info.price_on(day or utcnow().date())
    if price is None or (price.up_to_tokens is not None and usage.input_tokens > price.up_to_tokens):
        return None
    written_5m = usage.cache_write_tokens - usage.cache_write_1h_tokens
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    priced = (
        (plain, price.input),
        (usage.cached_tokens, price.cached),
        (written_5m, price.cache_write),
        (usage.cache_write_1h_tokens, price.cache_write_1h),
        (usage.output_tokens, price.output),
    )
    total = 0.0
    for tokens, each in priced:
        # Cache reads and writes have their own prices: an unknown one must not be replaced by the input price.
        if tokens < 0 or (tokens and each is None):
            return None
        total += tokens * (each or 0.0)
    return total / _MILLION


@cache
def _dearest() -> tuple[float, float]:
    """Highest prices of any model, in USD per million tokens: of input (cached or not) and of output."""
    manifest = Manifest.load()
    prices = [p for provider in LLMProviderType for info in manifest.models(provider) for p in info.prices]
    into = (one or 0.0 for p in prices for one in (p.input, p.cached, p.cache_write, p.cache_write_1h))
    return max(into), max(p.output for p in prices)
