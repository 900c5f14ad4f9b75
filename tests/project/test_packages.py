"""The packages: their names are this distribution's alone, and imports between them go downwards only."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from devtools.servers import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PYPROJECT["tool"]["importlinter"]["root_packages"]


def test_every_package_is_listed_and_says_what_it_is_for():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found - {"benchmarks", "chaos", "devtools"} == set(
        PACKAGES
    )  # these run from a checkout and are not packaged
    for package in PACKAGES:
        assert (ROOT / package / "__init__.py").read_text().startswith('"""'), package


@pytest.mark.parametrize("package", PACKAGES)
def test_the_name_of_a_package_belongs_to_this_distribution_alone(package):
    ours = PYPROJECT["project"]["name"]
    assert set(packages_distributions().get(package, [ours])) == {ours}
    module = __import__(package)
    assert Path(module.__file__).parent == ROOT / package


def test_imports_keep_to_the_layers():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = len(PYPROJECT["tool"]["importlinter"]["contracts"])
    assert f"{contracts} kept, 0 broken" in done.stdout
