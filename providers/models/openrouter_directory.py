"""OpenRouter's own list of models, which `vendor/model` ids outside the manifest are checked against.

It is cached for an hour. Concurrent callers share one fetch. If a new fetch fails, the old list stays in use.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from pydantic import BaseModel, ValidationError

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, ReasoningEffort
from contracts.errors import InvalidConfig, ParsingError, UmpireError
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo, Prices
from telemetry.observer import Note, Observer, silent

#: Seconds for which a list is used.
KEPT = 3600.0

#: Seconds after a failed fetch in which the stale list is used without another try.
RETRY = 30.0

#: Most pages of the list that are read; OpenRouter has some 500 models and pages of 500.
_PAGES = 20

#: Context window of a model for which OpenRouter states none: the model must not be refused for that.
_UNKNOWN_WINDOW = 1 << 40

#: Where OpenRouter states no limit of an answer's tokens, the limit is the window divided by this.
_ANSWER_SHARE = 4

_MILLION = 1_000_000

#: OpenAI caches each long prompt of its models from GPT-5.6 on, at a price, unless the request sets explicit caching.
#: OpenRouter passes this option on, and leaves it out for hosts that do not support it:
#: https://openrouter.ai/docs/cookbook/evaluate-and-optimize/model-migrations/gpt-5-6
_GPT = re.compile(r"openai/gpt-(\d{1,3})(?:\.(\d{1,3}))?(?![\w.])")
_EXPLICIT_CACHE_SINCE = (5, 6)

_EFFORTS = frozenset({ReasoningEffort.LOW, ReasoningEffort.MEDIUM, ReasoningEffort.HIGH})


class _Top(BaseModel):
    context_length: int | None = None
    max_completion_tokens: int | None = None


class _Pricing(BaseModel):
    """Prices in USD per token."""

    prompt: float | None = None
    completion: float | None = None
    input_cache_read: float | None = None
    input_cache_write: float | None = None


class DirectoryEntry(BaseModel):
    id: str
    name: str = ""
    created: int | None = None
    context_length: int | None = None
    supported_parameters: list[str] = []
    top_provider: _Top = _Top()
    pricing: _Pricing = _Pricing()
    expiration_date: date | None = None


class _Links(BaseModel):
    next: str | None = None


class _Page(BaseModel):
    data: list[DirectoryEntry]
    links: _Links | None = None


@dataclass(eq=False)
class Directory:
    """`page` returns the list from an offset on, as JSON."""

    page: Callable[[int], Awaitable[bytes]]
    observer: Observer = silent
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._lock = asyncio.Lock()
        self._models: dict[str, ModelInfo] = {}
        self._good_until = 0.0

    async def resolve(self, model: str) -> ModelInfo:
        """The model as the manifest describes it, or else as OpenRouter does.

        Raises
        ------
        InvalidConfig
            OpenRouter does not list the model.
        ProviderError
            There is no cached list, and fetching it failed.
        """
        today = utcnow().date()
        known = Manifest.load().find(LLMProviderType.OPENROUTER, model)
        if known is None:
            await self._refresh()
            # Some variants `vendor/model:variant` are listed; the others have the capabilities of `vendor/model`.
            known = self._models.get(model) or self._models.get(model.partition(":")[0])
        if known is None or known.is_shut_down(today):
            raise InvalidConfig("OpenRouter does not list this model", provider="openrouter", reason="unknown_model")
        return known if known.model_id == model else replace(known, model_id=model)

    async def entries(self) -> list[DirectoryEntry]:
        """Fetch the current list."""
        found: list[DirectoryEntry] = []
        for _ in range(_PAGES):
            try:
                page = _Page.model_validate_json(await self.page(len(found)))
            except ValidationError:
                raise ParsingError("OpenRouter's list of models cannot be read", provider="openrouter") from None
            found += page.data
            if not page.data or page.links is None or page.links.next is None:
                break
        return found

    async def _refresh(self) -> None:
        if self.clock() < self._good_until:
            return
        async with self._lock:
            if self.clock() < self._good_until:
                return
            try:
                entries = await self.entries()
            except UmpireError as error:
                if not self._models:
                    raise
                self._good_until = self.clock() + RETRY
                self.observer(Note("openrouter.directory.stale", "warning", fields={"error": error.message}))
                return
            self._models = {entry.id: _info(entry) for entry in entries}
            self._good_until = self.clock() + KEPT


def _info(entry: DirectoryEntry) -> ModelInfo:
    takes = frozenset(entry.supported_parameters)
    window = entry.top_provider.context_length or entry.context_length or _UNKNOWN_WINDOW
    pricing, gpt = entry.pricing, _GPT.match(entry.id)
    prices: tuple[Prices, ...] = ()
    # OpenRouter marks a price that depends on the routing by a negative number.
    if pricing.prompt is not None and pricing.completion is not None and min(pricing.prompt, pricing.completion) >= 0:
        prices = (
            Prices(
                pricing.prompt * _MILLION,
                pricing.completion * _MILLION,
                cached=_per_million(pricing.input_cache_read),
                cache_write=_per_million(pricing.input_cache_write),
            ),
        )
    return ModelInfo(
        model_id=entry.id,
        provider=LLMProviderType.OPENROUTER,
        display_name=entry.name or entry.id,
        family=entry.id.partition("/")[0],
        context_window=window,
        max_output=entry.top_provider.max_completion_tokens or window // _ANSWER_SHARE,
        structured_outputs="structured_outputs" in takes,
        temperature="temperature" in takes,
        effort=_EFFORTS if "reasoning" in takes else frozenset(),
        reasoning="reasoning" in takes,
        verbosity="verbosity" in takes,
        explicit_cache=gpt is not None and (int(gpt[1]), int(gpt[2] or 0)) >= _EXPLICIT_CACHE_SINCE,
        prices=prices,
        release_date=datetime.fromtimestamp(entry.created, UTC).date() if entry.created else None,
        shutdown_date=entry.expiration_date,
    )


def _per_million(price: float | None) -> float | None:
    return None if price is None else price * _MILLION
