"""A page that names a test as its witness names one that is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*.md"))]

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
#: Longer names are written once, and further tests of the same file after it.
FURTHER = re.compile(r"`::(\w+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def witnesses(text: str) -> list[tuple[str, str | None]]:
    """Files and the tests in them, in the order of the page."""
    found: list[tuple[str, str | None]] = []
    for match in re.finditer(f"{NAMED.pattern}|{FURTHER.pattern}", text):
        path, name, further = match.groups()
        found.append((path, name) if path else (found[-1][0], further))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_a_page_names_exists(page: Path) -> None:
    for path, name in witnesses(page.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path
        assert name is None or name in names_in(path), f"{path}::{name}"


def test_the_guarantees_have_witnesses() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    promises = re.findall(r"^## (\d)\..*?(?=^## )", text, re.DOTALL | re.MULTILINE)
    assert promises == ["1", "2", "3", "4", "5"]
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:6]:
        assert witnesses(section), section[:40]
