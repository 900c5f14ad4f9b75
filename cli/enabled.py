"""The provider that a command was asked for, and the settings to call it with."""

from dataclasses import replace

from cli.environment import USAGE
from cli.failure import Failure
from contracts.enums import LLMProviderType
from contracts.settings import Settings
from contracts.settings.load import PROVIDER_CLASSES, variables


def check_enabled(settings: Settings, provider: LLMProviderType) -> None:
    """Raises Failure, which names the setting that is missing."""
    if provider not in settings.enabled:
        names = {field: name for name, field in variables(PROVIDER_CLASSES[provider]).items()}
        setting = names["enabled" if provider is LLMProviderType.MOCK else "api_key"]
        raise Failure(f"{provider.value} is not enabled; set {setting}", code=USAGE)


def with_concurrency(settings: Settings, provider: LLMProviderType, concurrency: int) -> Settings:
    """These settings, but for the provider's slots: its adapter's connection pool is as large as they are many."""
    own = settings.providers[provider].model_copy(update={"concurrency": concurrency})
    return replace(settings, providers={**settings.providers, provider: own})
