"""Settings of the providers, one class each. They share the fields of `ProviderSettings`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from contracts.enums import LLMErrorCode
from contracts.settings.base import BaseUrl, CommaCodes, Concern, HeaderSecret, internal

#: Codes of refusals by the API and of requests that end without a call.
_NO_CALL_ENDS_IN = frozenset({
    LLMErrorCode.REQUEST_CANCELLED,
    LLMErrorCode.AUTHENTICATION_FAILED,
    LLMErrorCode.QUOTA_EXCEEDED,
    LLMErrorCode.IDEMPOTENCY_CONFLICT,
})  # fmt: skip

#: Codes that the mock can be made to fail with.
MOCK_FAILURES = frozenset(LLMErrorCode) - _NO_CALL_ENDS_IN


def _check_mock_failures(codes: list[LLMErrorCode]) -> list[LLMErrorCode]:
    if not MOCK_FAILURES.issuperset(codes):
        known = ", ".join(code.value for code in LLMErrorCode if code in MOCK_FAILURES)
        raise ValueError(f"no call to a provider ends in one of these codes; it can end in {known}")
    return codes


class ProviderSettings(Concern):
    """What each provider has, the mock included."""

    default_model: str | None = None
    """Model of requests that name none. Not set: the default model of the manifest."""
    concurrency: int = Field(64, ge=1, le=10_000)
    """Most calls to {provider} at a time in one worker process (its slots)."""
    processes: int = Field(1, ge=1, le=64)
    """Worker processes of {provider} that `umpire worker` and `umpire up` start, each with its own slots. One
    process uses at most one CPU core; docs/tuning.md says when more of them help."""
    rpm: int | None = Field(None, ge=1)
    """Most requests a minute and model, for all workers together. Not set: no limit."""
    tpm: int | None = Field(None, ge=1)
    """Most tokens a minute and model (input and output), for all workers together. Not set: no limit."""


class HostedProviderSettings(ProviderSettings):
    """A provider that is called over HTTP. It is enabled if it has an API key."""

    api_key: HeaderSecret | None = None
    """API key of {provider}. Setting it enables the provider."""
    base_url: BaseUrl | None = None
    """Base URL of the API of {provider}, to call another endpoint than the provider's own."""


class CachingSettings(HostedProviderSettings):
    """A provider with models that charge for writing prompts to their cache."""

    prompt_cache: Literal["explicit", "implicit"] = "explicit"
    """What OpenAI's models from GPT-5.6 on write to their prompt cache, at 1.25 times the price of input.
    `explicit`: only what a caller marks as `cacheable`. `implicit`: each prompt of 1,024 tokens and more."""


def caches_explicitly(settings: HostedProviderSettings) -> bool:
    """Whether the provider's prompt cache may hold only what a caller marks as cacheable."""
    return isinstance(settings, CachingSettings) and settings.prompt_cache == "explicit"


class AnthropicSettings(HostedProviderSettings):
    model_config = SettingsConfigDict(env_prefix="UMPIRE_ANTHROPIC_")


class OpenAISettings(CachingSettings):
    model_config = SettingsConfigDict(env_prefix="UMPIRE_OPENAI_")


class GoogleSettings(HostedProviderSettings):
    model_config = SettingsConfigDict(env_prefix="UMPIRE_GOOGLE_")


class OpenRouterSettings(CachingSettings):
    model_config = SettingsConfigDict(env_prefix="UMPIRE_OPENROUTER_")


MockConfidence = Literal["expected", "perceived", "half", "high", "noise", "uneven"]


class MockSettings(ProviderSettings):
    """The mock provider: it makes no network calls and costs nothing."""

    model_config = SettingsConfigDict(env_prefix="UMPIRE_MOCK_")

    rpm: int | None = internal(None, "MOCK_RPM", ge=1)
    tpm: int | None = internal(None, "MOCK_TPM", ge=1)
    enabled: bool | None = None
    """Whether the mock provider is enabled. Not set: only if no other provider is."""
    mode: Literal["random", "fixed", "latent"] = "latent"
    """How the mock judges. `random`: at random. `fixed`: always UMPIRE_MOCK_WINNER. `latent`: by a Bradley–Terry
    model over the strengths of the essays; a strength is read from an essay's text, or else drawn at random."""
    winner: Literal["Essay A", "Essay B"] = "Essay A"
    """The verdict in mode `fixed`."""
    seed: int = 0
    """Seed of the mock's random choices."""
    latency_ms: float = Field(50.0, ge=0)
    """Mean duration of a mock call, in milliseconds."""
    jitter_ms: float = Field(0.0, ge=0)
    """Standard deviation of the duration, in milliseconds."""
    error_rate: float = Field(0.0, ge=0, le=1)
    """Share of the mock calls that fail, from 0 to 1."""
    error_codes: Annotated[CommaCodes, AfterValidator(_check_mock_failures)] = [LLMErrorCode.PROVIDER_UNAVAILABLE]
    """Error codes of the failed calls; each call gets one of them at random."""
    position_bias: float = 0.0
    """Log-odds in favour of the essay that is shown first, in modes `latent` and `random`."""
    confidence: MockConfidence = "expected"
    """What the mock's confidence depends on. `expected`: the expected margin of the pair. `perceived`: the margin that
    this answer perceived. `half`: that, with noise. `high`: 4 or 5, by that margin. `noise` and `uneven`: nothing."""
    lapse_rate: float = Field(0.0, ge=0, le=1)
    """Share of the mock's answers that ignore the essays, from 0 to 1, in modes `latent` and `random`."""
