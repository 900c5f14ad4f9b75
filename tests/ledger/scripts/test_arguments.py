"""Each Lua script reads its arguments under the names and in the order of its table in ledger/scripts/arguments.py."""

import inspect
import re
from pathlib import Path

import pytest

from ledger.scripts import arguments

#: They are parts of other scripts, and have no arguments of their own.
INCLUDED = {"ttl_extension", "keep_results"}
SCRIPTS = sorted(path for path in Path(inspect.getfile(arguments)).parent.glob("*.lua") if path.stem not in INCLUDED)

#: `local a, b = unpack(ARGV, 1, 2)`, `… = unpack(ARGV, i, i + 3)`
UNPACKED = re.compile(r"local ([\w, ]+?) =\s+unpack\(ARGV, (\w+), (?:\w+ \+ )?(\d+)\)")
#: `for i = 5, #ARGV, 10 do`
LOOPS = re.compile(r"for \w+ = (\d+), (?:#ARGV|last)(?:, (\d+))? do")
#: `last = 5 + 3 * tonumber(count)`
LAST = re.compile(r"last = .*?(\d+) \+ (\d+) \*")


def table(script: Path, part: str) -> tuple[str, ...]:
    """Names of the script's head or row; empty if it has none."""
    return getattr(getattr(arguments, f"{script.stem.capitalize()}{part}", None), "_fields", ())


def read_by(script: Path, part: str) -> tuple[str, ...]:
    for names, start, last in UNPACKED.findall(script.read_text(encoding="utf-8")):
        if (start == "1") == (part == "Head"):
            found = tuple(names.split(", "))
            assert len(found) == int(last) + (part == "Row"), "as many names as arguments"
            return found
    return ()


@pytest.mark.parametrize("part", ["Head", "Row"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_reads_its_arguments_in_the_order_of_its_table(script: Path, part: str) -> None:
    assert read_by(script, part) == table(script, part)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_rows_begin_behind_the_head_and_have_the_length_of_the_table(script: Path) -> None:
    head, row = len(table(script, "Head")), len(table(script, "Row"))
    text = script.read_text(encoding="utf-8")
    assert head + row or "ARGV" not in text, "each script that has arguments has a table"
    for start, step in LOOPS.findall(text):
        steps = 2 if script.stem == "lost" else row
        assert (int(start), int(step or 0)) == (head + 1, steps)
    for before, step in LAST.findall(text):
        assert int(before) == head
        assert int(step) == (row or 2)


def test_short_fields_of_an_admit_are_matched_in_the_order_of_their_table() -> None:
    text = next(path for path in SCRIPTS if path.stem == "admit").read_text(encoding="utf-8")
    (names,) = re.findall(r"local ([\w, ]+) =\s+string\.match\(short, SHORT\)", text)
    assert tuple(names.split(", ")) == arguments.AdmitShort._fields
    (pattern,) = re.findall(r"SHORT = '\^(.*)\$'", text)
    assert pattern.split(" ") == ["(%S+)"] * len(arguments.AdmitShort._fields)
