"""The command lines and environments of the processes that a supervisor starts."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from contracts.settings.base import PREFIX

_ROOT = Path(__file__).resolve().parents[2]


def python_module(module: str, *arguments: str) -> list[str]:
    """`python -m module`, with -P so that it does not import a foreign `tasks/` from the current directory."""
    safe = [] if Path.cwd() == _ROOT else ["-P"]
    return [sys.executable, *safe, "-m", module, *arguments]


def umpire(*arguments: str) -> list[str]:
    return python_module("cli.main", *arguments)


def bare_environment() -> Mapping[str, str]:
    """The environment of third-party servers: without UMPIRE_ settings, which hold keys."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
