"""`make docs` writes the files; tests/docs/test_generated.py compares them with the code. With `--check`, nothing is
written, and the exit code is 1 if something is out of date.
"""

import sys
from pathlib import Path

from docs.generate.pages import errors_md, metrics_md, settings_md
from docs.generate.schemas import asyncapi, schemas

HERE = Path(__file__).parents[1]


def everything() -> dict[str, str]:
    """Path below docs/ → its text."""
    return {
        "settings.md": settings_md(),
        "errors.md": errors_md(),
        "metrics.md": metrics_md(),
        "asyncapi.yaml": asyncapi(),
        **schemas(),
    }


def stale() -> list[str]:
    """Files that are missing, differ, or are no longer generated."""
    made = everything()
    kept = {f"schemas/{path.name}" for path in (HERE / "schemas").glob("*.json")}
    differ = [
        name
        for name, text in made.items()
        if not (HERE / name).exists() or (HERE / name).read_text(encoding="utf-8") != text
    ]
    return sorted({*differ, *(kept - made.keys())})


def main() -> int:
    if "--check" in sys.argv[1:]:
        return 1 if stale() else 0
    for name in stale():
        made = everything().get(name)
        if made is None:
            (HERE / name).unlink()
        else:
            (HERE / name).write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
