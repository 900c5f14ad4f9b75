"""Settings from the environment, prefix `UMPIRE_`, one class a concern. docs/settings.md is generated from them."""

from contracts.settings.assessment import AssessmentSettings, DatabaseSettings
from contracts.settings.development import DevelopmentSettings
from contracts.settings.guard import BreakerSettings, HoldSettings, RetrySettings
from contracts.settings.infra import FlowerSettings, KafkaSettings, TelemetrySettings
from contracts.settings.load import Settings, SettingsError, load_settings
from contracts.settings.provider import HostedProviderSettings, MockConfidence, MockSettings, ProviderSettings
from contracts.settings.redis import RedisAddress, RedisSettings
from contracts.settings.service import ClientSettings, ServiceSettings
from contracts.settings.work import LedgerSettings, SpoolSettings, WorkerSettings

__all__ = [
    "AssessmentSettings",
    "BreakerSettings",
    "ClientSettings",
    "DatabaseSettings",
    "DevelopmentSettings",
    "FlowerSettings",
    "HoldSettings",
    "HostedProviderSettings",
    "KafkaSettings",
    "LedgerSettings",
    "MockConfidence",
    "MockSettings",
    "ProviderSettings",
    "RedisAddress",
    "RedisSettings",
    "RetrySettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "SpoolSettings",
    "TelemetrySettings",
    "WorkerSettings",
    "load_settings",
]
