"""Locations of an unexpected error, for the log. Never its text, which may quote a prompt."""

from pathlib import Path
from traceback import FrameSummary, extract_tb
from types import TracebackType

#: Top-level packages of this project. tests/telemetry/test_fault.py compares them with pyproject.toml.
PACKAGES = frozenset((
    "cli", "service", "tasks", "assessment", "web", "maintenance", "access", "providers", "guard", "completion",
    "events", "ledger", "telemetry", "contracts",
))  # fmt: skip
_ROOT = Path(__file__).parents[1]

#: Most frames of a traceback that a log line names.
_FRAMES = 5


def fault(error: BaseException) -> dict[str, str]:
    """Fields of a note: the error's class, the line that raised it (`at`), and the last line of our own code before
    that (`ours`). The former is often in the standard library or a dependency, and says little alone.
    """
    frames = extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "at": _name(frames[-1]) if frames else "", "ours": _last_of_ours(frames)}


def locations(trace: TracebackType | None) -> dict[str, str | list[str]]:
    """Fields of a log line: the last frames of a traceback, and the last one in our own code."""
    frames = extract_tb(trace)
    return {"frames": [_name(frame) for frame in frames[-_FRAMES:]], "ours": _last_of_ours(frames)}


def _last_of_ours(frames: list[FrameSummary]) -> str:
    """Such as `ledger/claims.py:120`; empty if no frame is in our own code."""
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in PACKAGES:
            return f"{path.relative_to(_ROOT)}:{frame.lineno}"
    return ""


def _name(frame: FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno}"
