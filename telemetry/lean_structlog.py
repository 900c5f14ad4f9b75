"""structlog without rich, which it would load for tracebacks that are never printed: a tenth of a process' start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """As if the package were not installed, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    # The import system's own way to say so: None stands for a module that is not found.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _missing("rich"):
    import structlog

__all__ = ["structlog"]
