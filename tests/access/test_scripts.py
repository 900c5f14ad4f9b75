"""The Lua scripts of access/ read arguments and fields under the names of the tables in Python."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Redis

from access import api_key
from access.api_key import DEFAULT_SCOPES, FIELDS, ApiKey, fields_of, key_of
from access.api_keys import ApiKeys, RevokeHead
from access.authenticator import AuthenticateHead, AuthenticateRow, Authenticator
from contracts.enums import ProcessingMode

SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in Path(api_key.__file__).parent.glob("*.lua")}
UNPACKED = re.compile(r"local ([\w, ]+?) =\s+unpack\(ARGV, (\w+), (?:\w+ \+ )?(\d+)\)")


@pytest.mark.parametrize(
    ("name", "tables"), [("authenticate", [AuthenticateHead, AuthenticateRow]), ("revoke", [RevokeHead])]
)
def test_a_script_reads_its_arguments_in_the_order_of_its_tables(name: str, tables: list[type]) -> None:
    unpacked = UNPACKED.findall(SCRIPTS[name])
    assert [names.split(", ") for names, _, _ in unpacked] == [list(table._fields) for table in tables]
    for names, start, last in unpacked:
        assert len(names.split(", ")) == int(last) + (0 if start == "1" else 1), "as many names as arguments"
    assert "ARGV[" not in SCRIPTS[name]


def test_fields_that_the_script_uses_are_in_the_table() -> None:
    used = set(re.findall(r"\bat\.(\w+)", SCRIPTS["authenticate"]))
    assert used == {"hash", "rate", "revoked"}
    assert used <= set(FIELDS)
    assert next(iter(FIELDS)) == "hash", "the authenticator compares it before it reads the others"


def test_every_attribute_of_a_key_is_stored_and_read_back() -> None:
    key = ApiKey(
        id="k", hash="h", name="Ann's", scopes=DEFAULT_SCOPES, topics=("a.*", "b"), rate=60, max_queued=5,
        daily_cost=2.5, created=1, revoked=2, processing_mode=ProcessingMode.QUEUE,
    )  # fmt: skip
    assert key_of("k", fields_of(key)) == key
    assert {field.attribute for field in FIELDS.values()} == set(ApiKey.__dataclass_fields__) - {"id"}


async def test_a_new_field_shifts_no_other(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it stands in the table: the script finds fields by their names."""
    _, text = await ApiKeys(redis).create("Ann's", DEFAULT_SCOPES, rate=60)
    names = AuthenticateHead._field_defaults["names"].split(" ")
    monkeypatch.setattr(AuthenticateHead.__new__, "__defaults__", (" ".join([names[0], "colour", *names[1:]]), 1))
    fields = {"hash": FIELDS["hash"], "colour": FIELDS["name"], **FIELDS}
    monkeypatch.setattr("access.authenticator.FIELDS", fields)
    found = await Authenticator(redis, 60).authenticate(text, 1)
    assert (found.key.name, found.key.scopes, found.key.rate) == ("Ann's", DEFAULT_SCOPES, 60)
    assert found.rate is not None
    assert found.rate.left == 59
