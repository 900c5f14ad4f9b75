"""The Lua scripts of guard/ read their arguments and fields under the names of the tables in Python."""

import json
import re
from pathlib import Path

import pytest

from guard import arguments, availability, hold, keys
from guard.adaptive import controller, local
from guard.adaptive.start_rate import StartRate

GUARD = Path(keys.__file__).parent
SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in GUARD.rglob("*.lua")}
#: What follows an `unpack` belongs to this operation, until the next one: `if operation == 'lease' then`
OPERATION = re.compile(r"if operation == '(\w+)' then")
#: `local a, b = unpack(ARGV, 1, 2)`, `… = unpack(ARGV, i, i + 3)`
UNPACKED = re.compile(r"local ([\w, ]+?) =\s+unpack\(ARGV, (\w+), (?:\w+ \+ )?(\d+)\)")
#: Of adapt.lua: the operation that remains when the others are done.
LAST = {"adapt": "report"}


def read_by(name: str) -> dict[str, tuple[str, ...]]:
    """The names that a script unpacks, by the name of their table. Checks their places in ARGV."""
    found, head = {}, 0
    text = SCRIPTS[name]
    for match in UNPACKED.finditer(text):
        names = tuple(match[1].split(", "))
        operations = OPERATION.findall(text[: match.start()])
        if match[2] == "1":
            part, head = "Head", len(names)
            assert len(names) == int(match[3])
        elif match[2].isdigit():
            part = _operation(name, text, match.start(), operations)
            assert (int(match[2]), int(match[3])) == (head + 1, head + len(names)), part
        else:
            part = "Row"
            assert int(match[3]) == len(names) - 1
        found[f"{name.capitalize()}{part.capitalize()}"] = names
    return found


def _operation(name: str, text: str, place: int, operations: list[str]) -> str:
    inside = text.rfind("\nend\n", 0, place) < text.rfind("if operation == ", 0, place)
    return operations[-1] if inside else LAST[name]


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_reads_its_arguments_in_the_order_of_its_tables(name: str) -> None:
    tables = {table: cls._fields for table, cls in vars(arguments).items() if table.startswith(name.capitalize())}
    assert tables, "each script has a table"
    assert read_by(name) == tables


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_no_other_argument_is_read_by_its_number(name: str) -> None:
    """Except those behind the tables, which repeat: failures of a report, pairs of an adaptive report, rows."""
    repeated = {"breaker": {"i"}, "adapt": {"i", "i + 1"}}
    assert set(re.findall(r"ARGV\[([^]]+)\]", SCRIPTS[name])) <= repeated.get(name, set())


def test_repeated_arguments_begin_behind_the_tables() -> None:
    breaker = len(arguments.BreakerHead._fields + arguments.BreakerReport._fields)
    assert f"for i = {breaker + 1}, #ARGV do" in SCRIPTS["breaker"]
    assert f"failed(#ARGV - {breaker})" in SCRIPTS["breaker"]
    adapt = len(arguments.AdaptHead._fields + arguments.AdaptReport._fields)
    assert f"for i = {adapt + 1}, #ARGV, 2 do" in SCRIPTS["adapt"]
    limits = len(arguments.LimitsHead._fields)
    assert f"for i = {limits + 1}, #ARGV, {len(arguments.LimitsRow._fields)} do" in SCRIPTS["limits"]


def fields_in(script: str, key: str) -> set[str]:
    """Names of hash fields in all commands of a script on this key: HSET has a value behind each name."""
    found: set[str] = set()
    for command, rest in re.findall(rf"redis\.call\('(H\w+)', {key}, (.*)\)", SCRIPTS[script]):
        values = re.split(r", ", rest) if command == "HSET" else []
        names = values[::2] if command == "HSET" and len(values) % 2 == 0 else [rest]
        found |= set(re.findall(r"'(\w+)'", " ".join(names)))
    return found


def test_the_scripts_know_the_fields_of_the_tables_and_no_others() -> None:
    assert fields_in("breaker", "breaker") == set(keys.BREAKER_FIELDS)
    assert fields_in("hold", "key") == set(keys.HOLD_FIELDS)
    assert fields_in("hold", "'umpire:breaker:' .. provider") <= set(keys.BREAKER_FIELDS)


def test_fields_that_python_reads_are_in_the_tables() -> None:
    assert set(availability._BREAKER_FIELDS) <= set(keys.BREAKER_FIELDS)
    assert set(hold.FIELDS) <= set(keys.HOLD_FIELDS)


def test_names_that_processes_of_other_versions_read_stay() -> None:
    """Adaptive limits are shared by processes of different versions: a new name would be a second limit to them."""
    assert list(local.CallCounts.__slots__) == [
        "starts", "above", "refused", "refused_above", "full", "slow", "answers", "seconds", "tokens",
    ]  # fmt: skip
    assert list(controller.Process.__slots__) == ["ceiling", "local", "wants"]
    stored = json.loads(controller.Controller(start_rate=StartRate(rate=3.0)).model_dump_json())
    assert set(stored) == {
        "concurrency", "cadence", "requests", "tokens", "tokens_a_call", "fell", "height", "rate", "announced",
    }  # fmt: skip
    assert set(stored["concurrency"]) == {
        "limit", "proven", "step", "looks", "settled", "patience", "not_before", "debt", "sudden", "creeping",
    }  # fmt: skip
    assert set(stored["cadence"]) == {
        "rate", "base", "step", "patience", "not_before", "raised", "left_base", "settled", "debt", "accepted", "span",
        "recent",
    }  # fmt: skip
    assert controller.Controller.model_validate(stored).start_rate.rate == 3.0
