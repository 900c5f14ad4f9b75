"""The one place that knows which adapter serves which provider. Only the adapter asked for is imported."""

from contracts.enums import LLMProviderType
from contracts.settings import Settings
from providers.base import Provider
from telemetry.observer import Observer, silent


def make_provider(provider: LLMProviderType, settings: Settings, observer: Observer = silent) -> Provider:
    own = settings.providers[provider]
    match provider:
        case LLMProviderType.ANTHROPIC:
            from providers.anthropic import AnthropicProvider

            return AnthropicProvider(own)
        case LLMProviderType.OPENAI:
            from providers.openai import OpenAIProvider

            return OpenAIProvider(own)
        case LLMProviderType.GOOGLE:
            from providers.google import GoogleProvider

            return GoogleProvider(own)
        case LLMProviderType.OPENROUTER:
            from providers.openrouter import OpenRouterProvider

            return OpenRouterProvider(own, observer)
        case LLMProviderType.MOCK:
            from providers.mock import MockProvider

            return MockProvider(settings.mock)
