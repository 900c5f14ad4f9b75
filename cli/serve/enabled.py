"""Checks that the provider of a command is enabled, and adapts the settings to the command's options."""

from dataclasses import replace

from cli.environment import USAGE
from cli.failure import Failure
from contracts.enums import LLMProviderType
from contracts.settings import Settings
from contracts.settings.load import PROVIDER_CLASSES, variables


def check_enabled(settings: Settings, provider: LLMProviderType) -> None:
    """Raises Failure if the provider is not enabled; it names the missing setting."""
    if provider not in settings.enabled:
        names = {field: name for name, field in variables(PROVIDER_CLASSES[provider]).items()}
        setting = names["enabled" if provider is LLMProviderType.MOCK else "api_key"]
        raise Failure(f"{provider.value} is not enabled; set {setting}", code=USAGE)


def with_concurrency(settings: Settings, provider: LLMProviderType, concurrency: int) -> Settings:
    """The settings with this number of slots for the provider, which is also the size of its connection pool."""
    own = settings.providers[provider].model_copy(update={"concurrency": concurrency})
    return replace(settings, providers={**settings.providers, provider: own})
