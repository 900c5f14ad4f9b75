"""contracts/ needs the standard library and pydantic only: whoever reads an event can copy it."""

import ast
import sys
from pathlib import Path

import contracts

ALLOWED = sys.stdlib_module_names | {"contracts", "pydantic", "pydantic_core", "pydantic_settings"}


def test_contracts_import_the_standard_library_and_pydantic_only() -> None:
    imported = {}
    for path in Path(contracts.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            imported.update({name: path.name for name in names if name.partition(".")[0] not in ALLOWED})
    assert imported == {}
