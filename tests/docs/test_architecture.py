"""docs/architecture.md names files that exist, names that stand in them, and every package."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

#: `guard/retry.py`, or `guard/retry.py::decide` for a function, class, method or constant in it.
NAMED = sorted(set(re.findall(r"`([\w./-]+\.(?:py|lua|toml|yaml|yml|json))(?:::([\w.]+))?`", PAGE)))


@cache
def names_in(path: Path) -> frozenset[str]:
    """Functions, classes and constants of a module, and `Class.method`."""
    return frozenset(_names(ast.parse(path.read_text(encoding="utf-8")).body))


def _names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from _names(node.body, f"{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


def test_the_page_names_files() -> None:
    assert len(NAMED) > 100


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part or "file")
def test_each_file_and_name_on_the_page_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    if name and path.endswith(".py"):
        assert name in names_in(ROOT / path)


def test_every_package_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package in project["tool"]["importlinter"]["root_packages"]:
        assert f"| `{package}/` |" in PAGE
