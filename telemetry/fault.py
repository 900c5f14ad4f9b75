"""Where an unexpected error came from, for the log. Never its text, which may quote a prompt."""

from pathlib import Path
from traceback import FrameSummary, extract_tb
from types import TracebackType

#: Top-level packages of this project. tests/telemetry/test_fault.py holds them against pyproject.toml.
PACKAGES = frozenset(
    {"cli", "service", "tasks", "assessment", "providers", "guard", "events", "ledger", "telemetry", "contracts"}
)
_ROOT = Path(__file__).parents[1]

#: Frames of a traceback that a line names at most.
_FRAMES = 5


def fault(error: BaseException) -> dict[str, str]:
    """Fields of a note: the error's class, the line that raised it (`at`), and the last line of ours on the way to it
    (`ours`). The one that raised it is often in the standard library or a dependency, and says little by itself.
    """
    frames = extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "at": _name(frames[-1]) if frames else "", "ours": _last_of_ours(frames)}


def locations(trace: TracebackType | None) -> dict[str, str | list[str]]:
    """Fields of a line: the last frames of a traceback, and the last one of ours."""
    frames = extract_tb(trace)
    return {"frames": [_name(frame) for frame in frames[-_FRAMES:]], "ours": _last_of_ours(frames)}


def _last_of_ours(frames: list[FrameSummary]) -> str:
    """Such as `ledger/claims.py:120`; empty where none is ours."""
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in PACKAGES:
            return f"{path.relative_to(_ROOT)}:{frame.lineno}"
    return ""


def _name(frame: FrameSummary) -> str:
    return f"{Path(frame.filename).name}:{frame.lineno}"
