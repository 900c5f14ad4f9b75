"""The rooms: their names are this distribution's alone, and imports between them go downwards only."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from devtools.servers import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = PYPROJECT["tool"]["importlinter"]["root_packages"]


def test_every_package_of_the_project_is_a_room_with_a_word_on_what_it_is_for():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found - {"benchmarks", "chaos", "devtools"} == set(ROOMS)  # these run from a checkout and are not packaged
    for room in ROOMS:
        assert (ROOT / room / "__init__.py").read_text().startswith('"""'), room


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_name_belongs_to_this_distribution_alone(room):
    ours = PYPROJECT["project"]["name"]
    assert set(packages_distributions().get(room, [ours])) == {ours}
    module = __import__(room)
    assert Path(module.__file__).parent == ROOT / room


def test_imports_keep_to_the_layers():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = len(PYPROJECT["tool"]["importlinter"]["contracts"])
    assert f"{contracts} kept, 0 broken" in done.stdout
