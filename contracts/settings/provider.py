"""One provider's settings, the same for each of them, and the mock's own."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from contracts.enums import LLMErrorCode, LLMProviderType
from contracts.settings.base import PREFIX, CommaCodes, Concern
from contracts.settings.text import BaseUrl, HeaderSecret

#: What is told at the door, or by the ledger, and so by no call to a provider.
_NO_CALL_ENDS_IN = frozenset({
    LLMErrorCode.REQUEST_CANCELLED,
    LLMErrorCode.AUTHENTICATION_FAILED,
    LLMErrorCode.QUOTA_EXCEEDED,
    LLMErrorCode.IDEMPOTENCY_CONFLICT,
})  # fmt: skip

#: What the mock can be made to fail with.
MOCK_FAILURES = frozenset(LLMErrorCode) - _NO_CALL_ENDS_IN


def _mock_failures(codes: list[LLMErrorCode]) -> list[LLMErrorCode]:
    if not MOCK_FAILURES.issuperset(codes):
        known = ", ".join(code.value for code in LLMErrorCode if code in MOCK_FAILURES)
        raise ValueError(f"no call to a provider ends in one of these codes; it can end in {known}")
    return codes


class ProviderSettings(Concern):
    """A provider with a key is enabled."""

    api_key: HeaderSecret | None = None
    """API key of {provider}; setting it enables the provider."""
    base_url: BaseUrl | None = None
    """Base URL of {provider}, when not its own."""
    default_model: str | None = None
    """Model used when a request names none; the manifest's default when not set."""
    concurrency: int = Field(64, ge=1, le=10_000)
    """Calls to {provider} that one worker process runs at a time (its slots)."""
    processes: int = Field(1, ge=1, le=64)
    """Worker processes of {provider} that `umpire worker` and `umpire up` start, each with slots of its own. One keeps
    one core busy at most; docs/tuning.md tells when more of them help."""
    rpm: int | None = Field(None, ge=1)
    """Requests a minute, per model, shared by all workers; not limited when not set."""
    tpm: int | None = Field(None, ge=1)
    """Tokens a minute (input and output), per model, shared by all workers; not limited when not set."""


class CachingSettings(ProviderSettings):
    """Of a provider whose newer models write prompts to their cache by themselves, and charge for it."""

    prompt_cache: Literal["explicit", "implicit"] = "explicit"
    """What OpenAI's models from GPT-5.6 on write to their prompt cache, at 1.25 times the price of input: `explicit`,
    only what a caller marks as `cacheable`; `implicit`, each prompt of 1,024 tokens and more."""


def _of(provider: LLMProviderType, base: type[ProviderSettings] = ProviderSettings) -> type[ProviderSettings]:
    config = SettingsConfigDict(env_prefix=f"{PREFIX}{provider.value.upper()}_")
    return type(f"{provider.value.title()}Settings", (base,), {"model_config": config, "__module__": __name__})


def caches_explicitly(settings: ProviderSettings) -> bool:
    """Only what a caller marks as cacheable is to be written to the provider's cache."""
    return isinstance(settings, CachingSettings) and settings.prompt_cache == "explicit"


AnthropicSettings = _of(LLMProviderType.ANTHROPIC)
OpenAISettings = _of(LLMProviderType.OPENAI, CachingSettings)
GoogleSettings = _of(LLMProviderType.GOOGLE)
OpenRouterSettings = _of(LLMProviderType.OPENROUTER, CachingSettings)


MockConfidence = Literal["expected", "perceived", "half", "high", "noise", "uneven"]


class MockSettings(ProviderSettings):
    """The mock provider: no network, no money; scriptable."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}MOCK_")

    enabled: bool | None = None
    """Enable the mock provider; when not set it is enabled only while no provider has a key."""
    mode: Literal["random", "fixed", "latent"] = "latent"
    """How the mock judges: at random, always `UMPIRE_MOCK_WINNER`, or by a Bradley–Terry model over the essays'
    strengths."""
    winner: Literal["Essay A", "Essay B"] = "Essay A"
    """The answer in mode `fixed`."""
    seed: int = 0
    """Seed of the mock's own random choices."""
    latency_ms: float = Field(50.0, ge=0)
    """Time that a mock call takes, in milliseconds."""
    jitter_ms: float = Field(0.0, ge=0)
    """Standard deviation of that time, in milliseconds."""
    error_rate: float = Field(0.0, ge=0, le=1)
    """Share of mock calls that fail."""
    error_codes: Annotated[CommaCodes, AfterValidator(_mock_failures)] = [LLMErrorCode.PROVIDER_UNAVAILABLE]
    """Codes of those failures, one chosen at random each time."""
    position_bias: float = 0.0
    """Log-odds added in favour of the essay shown first, in modes `latent` and `random`."""
    confidence: MockConfidence = "expected"
    """What the mock's confidence says: the margin that it expects on the pair; the margin that it perceived this time;
    half of that and half noise; the same as 4 or 5 only; or nothing, all values alike or some more often."""
    lapse_rate: float = Field(0.0, ge=0, le=1)
    """Share of the mock's answers that ignore the essays, in modes `latent` and `random`."""
    strength_spread: float = Field(2.0, ge=0)
    """Standard deviation, in logits, of the strengths that mode `latent` gives to essays whose text states none."""
