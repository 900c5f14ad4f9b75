"""The work of the `umpire keys` commands."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from access.api_key import DEFAULT_SCOPES, PREFIX, ApiKey, Scope
from access.api_keys import ApiKeys, KeyUse
from cli.console import err, out, report_ids, show_json
from cli.failure import USAGE, Failure
from cli.operate.ask_redis import ask_redis
from contracts.clock import from_ms, iso

_MAX_NAME = 100

#: Least width of a terminal for the table of keys; on a narrower one each key is printed as a list of lines.
TABLE_WIDTH = 132

#: Columns of the table of keys, after id and state.
_COLUMNS = ("name", "may do", "topics", "mode", "a minute", "queued", "$ today", "created")

#: The characters of Kafka topic names, and the wildcards * and ?.
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,249}")


def create(
    data_dir: Path,
    name: str | None,
    scopes: Iterable[str] | None,
    topics: Iterable[str] | None,
    *,
    as_json: bool,
    **limits: Any,
) -> None:
    """Make a key and print it. `limits`: further options of ApiKeys.create. None: the option is not given.

    Raises Failure for an option that is invalid, or empty: its value may be a shell variable that is not set.
    """
    if name is not None and not name.strip():
        raise _empty("--name")
    name = name or ""
    if len(name) > _MAX_NAME or not (name.isprintable() or not name):
        raise Failure(f"--name: at most {_MAX_NAME} printable characters", code=USAGE)
    chosen, patterns = _scopes(scopes), _patterns(topics)
    cost = limits.get("daily_cost")
    if cost is not None and not (math.isfinite(cost) and cost > 0):
        raise Failure("--daily-cost: a number above 0", code=USAGE)
    key, text = ask_redis(data_dir, lambda redis: ApiKeys(redis).create(name, chosen, patterns, **limits))
    if as_json:
        show_json({"id": key.id, "key": text, **_facts(key)})
        return
    # The key alone goes to stdout, so that a shell can put it into a variable or a file.
    print(text)  # noqa: T201 - the same
    err.print(f"key {key.id} is valid now. Store it: it is not shown again, only its hash is kept.", markup=False)


def list_(data_dir: Path, *, as_json: bool) -> None:
    uses = ask_redis(data_dir, lambda redis: ApiKeys(redis).uses())
    if as_json:
        show_json({"keys": [{"id": use.key.id, **_facts(use.key), **_used(use)} for use in uses]})
    elif not uses:
        out.print("no API keys; `umpire keys create` makes one")
    elif out.width < TABLE_WIDTH:
        for use in uses:
            out.print(f"[bold]{use.key.id}[/bold]  {_state(use.key)}", soft_wrap=False)
            for name, cell in zip(_COLUMNS, _cells(use, ", "), strict=True):
                out.print(f"  {name:9} {cell}", soft_wrap=False)
    else:
        whole = [Column(name, no_wrap=True) for name in ("id", "state")]
        table = Table(*whole, *(Column(name, overflow="fold") for name in _COLUMNS), header_style="bold")
        for use in uses:
            table.add_row(use.key.id, _state(use.key), *_cells(use, "\n"))
        out.print(table, soft_wrap=False)


def revoke(data_dir: Path, named: list[str], *, as_json: bool) -> int:
    ids = [id_of_key(one) for one in named]
    revoked = ask_redis(data_dir, lambda redis: ApiKeys(redis).revoke(ids))
    return report_ids("revoked", revoked, ids, "is no API key's id; `umpire keys list` shows them", as_json=as_json)


def _state(key: ApiKey) -> str:
    return "good" if key.revoked is None else "revoked"


def _cells(use: KeyUse, between: str) -> tuple[str, ...]:
    key = use.key
    return (
        escape(key.name),
        between.join(sorted(key.scopes)),
        escape(between.join(key.topics)) or "any",
        key.processing_mode or "default",
        _limit(key.rate),
        f"{use.unfinished} of {_limit(key.max_queued)}",
        f"{use.spent_today:.4f} of {_limit(key.daily_cost)}",
        f"{from_ms(key.created):%Y-%m-%d}",
    )


def id_of_key(named: str) -> str:
    """The id in an id or in a whole key: the output must not repeat a key."""
    return named.removeprefix(PREFIX).partition("_")[0] if named.startswith(PREFIX) else named


def _facts(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "scopes": sorted(key.scopes),
        "topics": list(key.topics),
        "rate_per_minute": key.rate,
        "max_queued": key.max_queued,
        "daily_cost_usd": key.daily_cost,
        "processing_mode": key.processing_mode,
        "created": iso(from_ms(key.created)),
        "revoked": None if key.revoked is None else iso(from_ms(key.revoked)),
    }


def _used(use: KeyUse) -> dict[str, Any]:
    return {"unfinished": use.unfinished, "spent_today_usd": use.spent_today}


def _scopes(values: Iterable[str] | None) -> frozenset[str]:
    chosen, known = _split("--scope", values), {scope.value for scope in Scope}
    if unknown := set(chosen) - known:
        names = ", ".join(sorted(unknown))
        raise Failure(f"--scope: there is no scope {names}; choose from {', '.join(sorted(known))}", code=USAGE)
    return frozenset(chosen) or DEFAULT_SCOPES


def _patterns(values: Iterable[str] | None) -> tuple[str, ...]:
    patterns = _split("--topics", values)
    for one in patterns:
        if not _PATTERN.fullmatch(one):
            raise Failure(f"--topics: {one!r} cannot be a topic: letters, digits, . _ - and * ? only", code=USAGE)
        if one.startswith("__"):
            raise Failure(f"--topics: {one!r} allows nothing: these topics are internal to Kafka", code=USAGE)
    return patterns


def _split(option: str, values: Iterable[str] | None) -> tuple[str, ...]:
    """The comma-separated parts of all values. Raises Failure if a value is empty."""
    found: dict[str, None] = {}
    for value in values or ():
        parts = [part for part in map(str.strip, value.split(",")) if part]
        if not parts:
            raise _empty(option)
        found.update(dict.fromkeys(parts))
    return tuple(found)


def _empty(option: str) -> Failure:
    return Failure(f"{option} is empty; is a shell variable not set? No key was made", code=USAGE)


def _limit(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
