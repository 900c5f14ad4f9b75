"""Go, with which the benchmarks' upstream and load client are built."""

import os
import shutil

import pytest


def go() -> str:
    """Its path; else the test is skipped, and fails in CI, where everything must be."""
    found = shutil.which("go")
    if found is None:
        why = "no go on PATH: the benchmarks' upstream and load client cannot be built"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must have it; {why}", pytrace=False)
        pytest.skip(why)
    return found
