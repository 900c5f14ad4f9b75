"""Settings from the environment, prefix `UMPIRE_`, one class a concern. A process reads all of them once at its start.

docs/settings.md is generated from the classes.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_type_hints

from pydantic import ValidationError

from contracts.enums import LLMProviderType
from contracts.settings.base import PREFIX, TEST_PREFIX, Concern
from contracts.settings.guard import BreakerSettings, HoldSettings, RetrySettings
from contracts.settings.infra import DevelopmentSettings, FlowerSettings, KafkaSettings, TelemetrySettings
from contracts.settings.provider import (
    AnthropicSettings,
    GoogleSettings,
    HostedProviderSettings,
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


class SettingsError(Exception):
    """A setting is wrong, unknown or removed. The text has one line for each problem and never shows a value."""


def variables(concern: type[Concern]) -> dict[str, str]:
    """Environment variable → field of a settings class, the undocumented ones for tests included."""
    prefix = concern.model_config.get("env_prefix", PREFIX)
    return {
        field.validation_alias if isinstance(field.validation_alias, str) else f"{prefix}{name}".upper(): name
        for name, field in concern.model_fields.items()
    }


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
    development: DevelopmentSettings = field(default_factory=DevelopmentSettings)
    client: ClientSettings = field(default_factory=ClientSettings)
    providers: Mapping[LLMProviderType, ProviderSettings] = field(
        default_factory=lambda: {provider: cls() for provider, cls in PROVIDER_CLASSES.items()}
    )

    @property
    def is_production(self) -> bool:
        """True if UMPIRE_ENVIRONMENT is `production`, or if API keys are on: then there are real callers' essays."""
        return self.development.environment == "production" or self.service.auth == "keys"

    @property
    def mock(self) -> MockSettings:
        mock = self.providers[LLMProviderType.MOCK]
        assert isinstance(mock, MockSettings)  # noqa: S101 - by PROVIDER_CLASSES
        return mock

    @property
    def hosted(self) -> dict[LLMProviderType, HostedProviderSettings]:
        """Settings of the providers that are called over HTTP, enabled or not."""
        return {name: own for name, own in self.providers.items() if isinstance(own, HostedProviderSettings)}

    @property
    def enabled(self) -> list[LLMProviderType]:
        """Enabled providers: those with an API key, and the mock if it is set to be or if there is no other."""
        keyed = [name for name, own in self.hosted.items() if own.api_key is not None]
        with_mock = self.mock.enabled if self.mock.enabled is not None else not keyed
        return [*keyed, LLMProviderType.MOCK] if with_mock else keyed

    @property
    def default_provider(self) -> LLMProviderType:
        return self.service.default_provider or self.enabled[0]

    @property
    def breaker_volume(self) -> int:
        """Failures that open a breaker: at least one more than the attempts of one request."""
        return max(self.breaker.breaker_failures, self.retry.retry_attempts + 1)


#: All settings classes, in the order of docs/settings.md.
CONCERNS: tuple[type[Concern], ...] = (
    *(kind for kind in get_type_hints(Settings).values() if isinstance(kind, type)),
    *PROVIDER_CLASSES.values(),
)


def removed_settings() -> dict[str, str]:
    """Name of a removed setting → what replaced it, and what to do."""
    replaced = tomllib.loads(Path(__file__).with_name("removed.toml").read_text(encoding="utf-8"))
    return {name: f"is no setting any more: {by}. Remove it from the environment" for name, by in replaced.items()}


def load_settings() -> Settings:
    """The settings of this process, from its environment.

    Raises
    ------
    SettingsError
        A value is wrong, a name with the prefix `UMPIRE_` is unknown or removed, or settings contradict each other.
    """
    known = {name for concern in CONCERNS for name in variables(concern)}
    ours = sorted(name for name in os.environ if name.startswith(PREFIX))
    unknown = [name for name in ours if name not in known]
    removed = removed_settings() if unknown else {}
    problems = [f"{name}: {removed.get(name, 'unknown setting')}" for name in unknown]
    for concern in CONCERNS:
        names = {field_name: name for name, field_name in variables(concern).items()}
        try:
            concern()
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                at = str(problem["loc"][0]) if problem["loc"] else PREFIX + "…"
                problems.append(f"{names.get(at, at)}: {problem['msg'].removeprefix('Value error, ')}")
    if not problems:
        settings = Settings()
        problems = _contradictions(settings)
        if settings.development.environment == "production":
            problems += [
                f"{name}: is for tests only, and UMPIRE_ENVIRONMENT is production. Remove it from the environment"
                for name in ours
                if name.startswith(TEST_PREFIX)
            ]
        if not problems:
            return settings
    raise SettingsError("\n".join(problems))


def _contradictions(settings: Settings) -> list[str]:
    found = []
    if not settings.enabled:
        found.append("UMPIRE_MOCK_ENABLED: no provider is enabled: set a provider's API key, or leave the mock on")
    elif settings.default_provider not in settings.enabled:
        found.append(f"UMPIRE_DEFAULT_PROVIDER: {settings.default_provider.value} is not enabled (it has no API key)")
    resend = settings.worker.outbox_resend_seconds
    if resend <= settings.kafka.kafka_delivery_timeout_seconds:
        found.append(
            f"UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS: must be less than {resend:g}, the seconds after which the outbox"
            " sends a result again"
        )
    if settings.development.record_responses and settings.is_production:
        found.append(
            "UMPIRE_RECORD_RESPONSES: is for development only; UMPIRE_ENVIRONMENT is production, or UMPIRE_AUTH is keys"
        )
    return found
