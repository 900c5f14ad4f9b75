"""All settings of a process, read once at its start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from contracts.enums import LLMProviderType
from contracts.settings.base import PREFIX, Concern
from contracts.settings.development import DevelopmentSettings
from contracts.settings.guard import BreakerSettings, HoldSettings, RetrySettings
from contracts.settings.infra import FlowerSettings, KafkaSettings, TelemetrySettings
from contracts.settings.provider import (
    AnthropicSettings,
    GoogleSettings,
    MockSettings,
    OpenAISettings,
    OpenRouterSettings,
    ProviderSettings,
)
from contracts.settings.redis import RedisSettings
from contracts.settings.service import ClientSettings, ServiceSettings
from contracts.settings.work import LedgerSettings, SpoolSettings, WorkerSettings

PROVIDER_CLASSES: dict[LLMProviderType, type[ProviderSettings]] = {
    LLMProviderType.ANTHROPIC: AnthropicSettings,
    LLMProviderType.OPENAI: OpenAISettings,
    LLMProviderType.GOOGLE: GoogleSettings,
    LLMProviderType.OPENROUTER: OpenRouterSettings,
    LLMProviderType.MOCK: MockSettings,
}

CONCERNS: tuple[type[Concern], ...] = (
    ServiceSettings,
    RedisSettings,
    KafkaSettings,
    LedgerSettings,
    SpoolSettings,
    WorkerSettings,
    RetrySettings,
    BreakerSettings,
    HoldSettings,
    FlowerSettings,
    TelemetrySettings,
    DevelopmentSettings,
    ClientSettings,
    *PROVIDER_CLASSES.values(),
)


class SettingsError(Exception):
    """A wrong value or an unknown name; its text is one clear line for each, without the value."""


def variables(concern: type[Concern]) -> dict[str, str]:
    """Environment variable → field of a settings class."""
    prefix = concern.model_config.get("env_prefix", PREFIX)
    return {f"{prefix}{name}".upper(): name for name in concern.model_fields}


@dataclass(frozen=True)
class Settings:
    service: ServiceSettings = field(default_factory=ServiceSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    hold: HoldSettings = field(default_factory=HoldSettings)
    flower: FlowerSettings = field(default_factory=FlowerSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    development: DevelopmentSettings = field(default_factory=DevelopmentSettings)
    providers: Mapping[LLMProviderType, ProviderSettings] = field(
        default_factory=lambda: {provider: cls() for provider, cls in PROVIDER_CLASSES.items()}
    )

    @property
    def is_production(self) -> bool:
        """It is said to be, or has callers of its own: what they submit is not for a developer's eyes."""
        return self.development.environment == "production" or self.service.auth == "keys"

    @property
    def mock(self) -> MockSettings:
        mock = self.providers[LLMProviderType.MOCK]
        assert isinstance(mock, MockSettings)  # noqa: S101 - by PROVIDER_CLASSES
        return mock

    @property
    def enabled(self) -> list[LLMProviderType]:
        """Enabled providers: those with a key, and the mock when asked for or when there is no other."""
        keyed: list[LLMProviderType] = [
            p for p, s in self.providers.items() if s.api_key is not None and p is not LLMProviderType.MOCK
        ]
        with_mock = self.mock.enabled if self.mock.enabled is not None else not keyed
        return [*keyed, LLMProviderType.MOCK] if with_mock else keyed

    @property
    def default_provider(self) -> LLMProviderType:
        return self.service.default_provider or self.enabled[0]

    @property
    def breaker_volume(self) -> int:
        """Failures that open a breaker: more than one request's attempts, whatever was set."""
        return max(self.breaker.breaker_failures, self.retry.retry_attempts + 1)


def load_settings() -> Settings:
    """Read the environment.

    Raises
    ------
    SettingsError
        A value is wrong, a name with our prefix is unknown, or what is set does not fit together.
    """
    known = {name for concern in CONCERNS for name in variables(concern)}
    problems = [
        f"{name}: unknown setting" for name in sorted(os.environ) if name.startswith(PREFIX) and name not in known
    ]
    for concern in CONCERNS:
        names = {field_name: name for name, field_name in variables(concern).items()}
        try:
            concern()
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                at = problem["loc"][0] if problem["loc"] else ""
                problems.append(f"{names.get(str(at), PREFIX + '…')}: {problem['msg'].removeprefix('Value error, ')}")
    if not problems:
        settings = Settings()
        problems = _misfits(settings)
        if not problems:
            return settings
    raise SettingsError("\n".join(problems))


def _misfits(settings: Settings) -> list[str]:
    found = []
    if not settings.enabled:
        found.append("UMPIRE_MOCK_ENABLED: no provider is enabled: set a provider's API key, or leave the mock on")
    elif settings.default_provider not in settings.enabled:
        found.append(f"UMPIRE_DEFAULT_PROVIDER: {settings.default_provider.value} is not enabled (it has no API key)")
    if settings.worker.outbox_resend_seconds <= settings.kafka.kafka_delivery_timeout_seconds:
        found.append("UMPIRE_OUTBOX_RESEND_SECONDS: must be longer than UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS")
    if settings.development.record_responses and settings.is_production:
        found.append(
            "UMPIRE_RECORD_RESPONSES: is for development only; UMPIRE_ENVIRONMENT is production, or UMPIRE_AUTH is keys"
        )
    return found
