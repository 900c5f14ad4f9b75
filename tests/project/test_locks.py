"""The locks say exactly what is installed, and nothing about where it comes from."""

import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from devtools.servers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(lock):
    """Name → the versions locked for it: more than one where Pythons differ."""
    found = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "benchmarks/peers/litellm.lock"])
def test_a_lock_names_no_registry_and_hashes_every_package(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == sum(map(len, pins(lock).values())) > 50
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["dependencies"]),
        ("requirements-dev.lock", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_a_lock_meets_what_pyproject_asks_for(lock, wanted):
    locked = pins(lock)
    for requirement in map(Requirement, wanted):
        versions = locked[requirement.name.lower()]
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}: run `make lock`"


def test_development_runs_on_the_very_versions_of_production():
    development = pins("requirements-dev.lock")
    assert {name: development.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


def test_every_install_takes_the_lock_as_it_is():
    """A resolver may choose otherwise on a day when something newer is out, and then refuse what it chose."""
    installs = [line for name in ("Makefile", "Dockerfile") for line in (ROOT / name).read_text().splitlines()]
    installs = [line for line in installs if "requirements" in line and " -r " in line]
    assert len(installs) == 3
    assert all("--require-hashes" in line and "--no-deps" in line for line in installs)


def test_the_lock_is_whole():
    """Nothing that was installed from it misses anything."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
