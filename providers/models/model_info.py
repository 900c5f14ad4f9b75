"""The properties and prices of one model."""

from dataclasses import dataclass
from datetime import date

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, ReasoningEffort
from contracts.http import ModelInfoResponse


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens. None in `cached`, `cache_write` and `cache_write_1h` means unknown."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    #: First day of these prices; None: they have no first day.
    since: date | None = None
    #: Prompts with more tokens than this have another price, which we do not know.
    up_to_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    model_id: str
    provider: LLMProviderType
    display_name: str
    family: str
    #: Tokens that prompt and answer may have together.
    context_window: int
    #: Tokens that one answer may have, reasoning included.
    max_output: int
    structured_outputs: bool = False
    #: Supports a forced tool call, which makes Anthropic models without structured outputs follow the schema.
    forced_tool: bool = False
    temperature: bool = False
    #: Reasoning efforts that the model accepts; empty: it has no such parameter.
    effort: frozenset[ReasoningEffort] = frozenset()
    #: Thinks before it answers. The thinking counts towards `max_tokens`, so the limit must be higher.
    reasoning: bool = False
    verbosity: bool = False
    batch: bool = False
    prompt_cache: bool = False
    #: The provider caches each long prompt, at a higher price, unless the request says which parts to cache (OpenAI
    #: from GPT-5.6 on).
    explicit_cache: bool = False
    streaming: bool = True
    #: Upper bound of the characters per token, on average over a prompt (see providers/request/context_window.py).
    chars_per_token: float = 8.0
    #: Sorted by their first day.
    prices: tuple[Prices, ...] = ()
    deprecated: bool = False
    release_date: date | None = None
    #: The first day on which the provider, and so umpire, refuses the model.
    shutdown_date: date | None = None
    recommended_for: tuple[str, ...] = ()

    @property
    def base_model(self) -> str:
        """The model whose rate limit this one shares: for OpenRouter's `vendor/model:variant` it is `vendor/model`."""
        return self.model_id.partition(":")[0] if self.provider is LLMProviderType.OPENROUTER else self.model_id

    def is_shut_down(self, today: date) -> bool:
        return self.shutdown_date is not None and today >= self.shutdown_date

    def price_on(self, day: date) -> Prices | None:
        valid = [price for price in self.prices if price.since is None or price.since <= day]
        return valid[-1] if valid else None

    def to_response(self) -> ModelInfoResponse:
        price = self.price_on(utcnow().date())
        return ModelInfoResponse(
            model_id=self.model_id,
            provider=self.provider,
            display_name=self.display_name,
            model_family=self.family,
            max_tokens=self.max_output,
            context_window=self.context_window,
            supports_streaming=self.streaming,
            capabilities={
                "structured_outputs": self.structured_outputs,
                "temperature": self.temperature,
                "effort": bool(self.effort),
                "reasoning": self.reasoning,
                "verbosity": self.verbosity,
                "batch": self.batch,
                "prompt_cache": self.prompt_cache,
            },
            cost_per_1k_input_tokens=_per_1k(price.input) if price else None,
            cost_per_1k_output_tokens=_per_1k(price.output) if price else None,
            is_deprecated=self.deprecated,
            release_date=self.release_date.isoformat() if self.release_date else None,
            recommended_for=list(self.recommended_for),
        )


def _per_1k(per_million: float) -> float:
    return round(per_million / 1000, 9)
