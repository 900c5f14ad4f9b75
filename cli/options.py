"""The names of the providers in command-line options."""

from enum import StrEnum


class ProviderName(StrEnum):
    """Repeats LLMProviderType, whose import would slow down `--help` by 0.3 s; a test checks that both agree."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"
