"""Makes the adapter of a provider. Only the requested adapter is imported."""

from contracts.enums import LLMProviderType
from contracts.settings import Settings
from providers.base import Provider
from providers.http.recorder import make_recorder
from telemetry.observer import Observer, silent


def make_provider(provider: LLMProviderType, settings: Settings, observer: Observer = silent) -> Provider:
    if provider is LLMProviderType.MOCK:
        from providers.mock import MockProvider

        return MockProvider(settings.mock)
    own = settings.hosted[provider]
    recorder = make_recorder(provider, settings, observer)
    match provider:
        case LLMProviderType.ANTHROPIC:
            from providers.anthropic import AnthropicProvider

            return AnthropicProvider(own, recorder)
        case LLMProviderType.OPENAI:
            from providers.openai import OpenAIProvider

            return OpenAIProvider(own, recorder)
        case LLMProviderType.GOOGLE:
            from providers.google import GoogleProvider

            return GoogleProvider(own, recorder)
        case LLMProviderType.OPENROUTER:
            from providers.openrouter import OpenRouterProvider

            return OpenRouterProvider(own, observer, recorder)
