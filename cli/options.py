"""Command-line options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProviderName(StrEnum):
    """Repeats LLMProviderType, whose import would slow down `--help` by 0.3 s; a test checks that both agree."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"


DataDir = Annotated[
    Path,
    typer.Option(help="Data directory of a running `umpire up`. Its servers are used where no setting names others."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]
