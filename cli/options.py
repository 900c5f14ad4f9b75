"""The settings and the command-line options that several commands share."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failure import USAGE, Failure

if TYPE_CHECKING:
    from contracts.settings import Settings

#: Where `umpire up` keeps its data, and where other commands find its addresses.
DEFAULT_DATA = Path("umpire-data")

DataDir = Annotated[
    Path,
    typer.Option(help="Data directory of a running `umpire up`. Its servers are used where no setting names others."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text for people.")]


def service_version() -> str | None:
    """None: not installed, but run from the source tree."""
    try:
        return version("umpire-service")
    except PackageNotFoundError:
        return None


def read_settings() -> "Settings":
    """Read the UMPIRE_… variables. Imports late, so that `umpire --help` does not take 0.3 s for pydantic.

    Raises Failure.
    """
    from contracts.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise Failure(str(error), code=USAGE) from error


def read_serving_settings() -> "Settings":
    """The settings of a process that serves. Raises Failure also if requests would be refused for a default model."""
    from contracts.clock import utcnow
    from providers.models.manifest import Manifest

    settings = read_settings()
    problems = Manifest.load().unusable_defaults(settings, utcnow().date())
    if problems:
        raise Failure("\n".join(problems), code=USAGE)
    return settings
