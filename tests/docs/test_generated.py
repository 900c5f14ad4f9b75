"""What is generated from the code is what the repository holds."""

from pathlib import Path

import pytest
import yaml

from docs.generate.__main__ import stale
from docs.generate.common import docstring

ROOT = Path(__file__).parents[2]


def test_generated_files_match_the_code():
    assert stale() == [], "run `make docs`"


def test_every_setting_is_explained():
    rows = [
        line.split(" | ")
        for line in (ROOT / "docs" / "settings.md").read_text().splitlines()
        if "`UMPIRE_" in line[:12]
    ]
    assert len(rows) > 90
    assert all(len(row) == 3 and len(row[2]) > 15 for row in rows)


def test_a_setting_without_a_docstring_is_refused():
    from contracts.settings.base import Concern

    class Bare(Concern):
        explained: int = 1
        """What it is."""
        bare: int = 2

    assert docstring(Bare, "explained") == "What it is."
    with pytest.raises(LookupError, match=r"Bare\.bare"):
        docstring(Bare, "bare")


def test_asyncapi_refers_to_files_and_parts_that_exist():
    document = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))
    for message in document["components"]["messages"].values():
        assert (ROOT / "docs" / message["payload"]["$ref"]).exists()
    for operation in document["operations"].values():
        name = operation["channel"]["$ref"].removeprefix("#/channels/")
        assert document["channels"][name]["messages"]


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("*.md")), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    """A relative link in a page names a file of the repository."""
    import re

    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
