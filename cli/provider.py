"""The providers, as options name them."""

from enum import StrEnum


class Provider(StrEnum):
    """Spelt again, since the contracts cost 0.3 s that `--help` need not pay; a test holds the two together."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"
