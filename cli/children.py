"""The commands that a supervisor starts, and the environment that they get."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from contracts.settings.base import PREFIX

_ROOT = Path(__file__).resolve().parents[1]


def python_module(module: str, *arguments: str) -> list[str]:
    """`python -m`, which must not find somebody's own `tasks/` in the directory where the command was called."""
    safe = [] if Path.cwd() == _ROOT else ["-P"]
    return [sys.executable, *safe, "-m", module, *arguments]


def umpire(*arguments: str) -> list[str]:
    return python_module("cli.main", *arguments)


def environment(**extra: str) -> dict[str, str]:
    """Ours, for a part of our own."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **extra}


def bare_environment() -> Mapping[str, str]:
    """For a server that is not ours: without our settings, which hold keys."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
