"""A public class name means one thing in the whole product."""

import ast
import tomllib
from collections import defaultdict

from devtools.servers import ROOT

PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]

#: Named by a library: providers/google_types.py replaces classes of the SDK under their own names.
OF_A_LIBRARY = {"providers/google_types.py"}


def test_no_public_class_name_stands_for_two_things() -> None:
    files = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            file = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and file not in OF_A_LIBRARY:
                    files[node.name].add(file)
    assert {name: sorted(where) for name, where in files.items() if len(where) > 1} == {}
