"""An operator's default model that would be refused on every request stops the processes that serve, in one line."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", [["up"], ["api"], ["worker", "--provider", "openai"]])
def test_a_wrong_default_model_stops_the_start(command: list[str]) -> None:
    wrong = {"UMPIRE_OPENAI_API_KEY": "sk-secret", "UMPIRE_OPENAI_DEFAULT_MODEL": "gpt-nonsense"}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command],
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip() == "umpire: UMPIRE_OPENAI_DEFAULT_MODEL: Unknown model for openai"
    assert done.stdout == ""
