"""Where a fault came from: the line that raised it, and the last line of our own code on the way there."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from contracts.clock import from_ms
from devtools.servers import ROOT, clean_environment
from telemetry.fault import PACKAGES, fault, locations
from telemetry.process_files import take_process_file


def raised(function, *arguments):
    with pytest.raises(Exception) as caught:
        function(*arguments)
    return caught.value


def line_of(path, text):
    """Such as `contracts/clock.py:12`: the only line there that holds the text."""
    numbers = [number for number, line in enumerate((ROOT / path).read_text().splitlines(), 1) if text in line]
    assert len(numbers) == 1
    return f"{path}:{numbers[0]}"


def test_a_fault_in_the_standard_library_names_the_last_line_of_ours():
    error = raised(take_process_file, Path("/dev/null/of a file"), "api")
    told = fault(error)
    assert told["error"] == "NotADirectoryError"
    assert "places.py" not in told["at"]
    assert told["ours"] == line_of("telemetry/process_files.py", "directory.mkdir(")
    assert locations(error.__traceback__)["ours"] == told["ours"]


def test_a_fault_of_ours_names_the_same_line_twice():
    told = fault(raised(from_ms, "no number"))
    assert told["ours"] == line_of("contracts/clock.py", "/ 1000")
    assert told["at"] == Path(told["ours"]).name


def test_where_no_line_is_ours_none_is_named():
    """The environment lies inside the repository, and its packages are not ours."""
    told = fault(raised(json.loads, "{"))
    assert told["ours"] == ""
    assert fault(ValueError()) == {"error": "ValueError", "at": "", "ours": ""}


def test_all_packages_are_known():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["importlinter"]["root_packages"]) == PACKAGES


def test_a_line_of_the_standard_library_s_log_names_it_too():
    code = """
import logging
from pathlib import Path
from contracts.settings import TelemetrySettings
from telemetry.process_files import take_process_file
from telemetry.process import start_telemetry

start_telemetry(TelemetrySettings(), "x")
try:
    take_process_file(Path("/dev/null/of a file"), "api")
except OSError:
    logging.getLogger("celery").exception("failed")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, check=True
    )
    assert json.loads(done.stderr)["ours"] == line_of("telemetry/process_files.py", "directory.mkdir(")
