"""The settings of this process, with a wrong environment told in plain lines."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli.failure import Failure

if TYPE_CHECKING:
    from contracts.settings import Settings

#: Exit code of a command that was called wrongly, as typer's own usage errors have it.
USAGE = 2

#: Where `umpire up` keeps its data, and others look for a stack that is up.
DEFAULT_DATA = Path("umpire-data")


def read_settings() -> "Settings":
    """Read UMPIRE_…; imported late, since pydantic costs 0.3 s that `umpire --help` need not pay."""
    from contracts.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise Failure(str(error), code=USAGE) from error


def read_serving_settings() -> "Settings":
    """The same for a process that serves: it also refuses a default model that every request would be refused for."""
    from contracts.clock import utcnow
    from providers.manifest import Manifest

    settings = read_settings()
    problems = Manifest.load().misfits(settings, utcnow().date())
    if problems:
        raise Failure("\n".join(problems), code=USAGE)
    return settings
