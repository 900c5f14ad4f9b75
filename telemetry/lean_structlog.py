"""Imports structlog without rich, which formats tracebacks that are never printed and takes a tenth of the start-up."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Make the package appear not installed, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    # Documented by the import system: None stands for a module that is not found.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


with _missing("rich"):
    import structlog

__all__ = ["structlog"]
