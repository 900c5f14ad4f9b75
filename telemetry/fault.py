"""Where an unexpected error came from, for the log. Never its text, which may quote a prompt."""

import traceback
from pathlib import Path


def fault(error: BaseException) -> dict[str, str]:
    """Fields of a note: its class, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return {"error": type(error).__name__, "at": at}
