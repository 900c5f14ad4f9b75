"""Whatever is noted, at every level, and whatever becomes of the log: the caller goes on."""

import ast
import json
import math
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from contracts.settings import TelemetrySettings
from devtools.servers import ROOT
from telemetry.logging import LogObserver, configure_logging
from telemetry.metric_table import TABLE
from telemetry.metrics import Metrics
from telemetry.observer import Fanout, Note

LEVELS = ("debug", "info", "warning", "error")
ROOMS = (
    "service",
    "tasks",
    "maintenance",
    "completion",
    "events",
    "guard",
    "access",
    "web",
    "ledger",
    "providers",
    "telemetry",
    "assessment",
    "cli",
)

#: Names that structlog takes for itself, or that its processors write.
RESERVED = ("event", "level", "self", "args", "name", "msg", "process", "timestamp", "exc_info", "stack_info", "value")


def notes_of_the_code() -> dict[str, set[str]]:
    """Every note that the code sends: its name, and the labels and fields that stand in its function."""
    found: dict[str, set[str]] = {what: set() for what in TABLE}
    for path in chain.from_iterable((ROOT / room).rglob("*.py") for room in ROOMS):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for what in filter(None, map(_named, ast.walk(function))):
                    for each in what:
                        found.setdefault(each, set()).update(_keys(function))
    return found


def _named(node: ast.AST) -> list[str]:
    """The names that a note or a fold of notes may have."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
        return []
    if node.func.id not in {"Note", "Fold"}:
        return []
    return [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant) and type(part.value) is str]


def _keys(function: ast.AST) -> set[str]:
    dicts = [node for node in ast.walk(function) if isinstance(node, ast.Dict)]
    keys = [key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)]
    return {key for key in keys if isinstance(key, str) and key}


NOTES = notes_of_the_code()


def test_the_notes_of_the_code_are_found() -> None:
    assert len(NOTES) > 40
    assert "event" in NOTES["lifecycle.dropped"]
    assert NOTES["comparison.failed"] >= {"queue_id", "error_code", "waited", "ms", "cost"}
    assert NOTES["breaker.changed"] >= {"error_code", "failures", "window_seconds", "next_probe_seconds"}
    assert NOTES["queue_metrics_snapshot"] >= {"mode", "size", "usage_percent", "accepting"}
    assert {"breaker.affected", "queue_metrics_unread", "worker.stopping", "cost.limit_near"} <= NOTES.keys()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("level", LEVELS)
def test_every_kind_of_note_at_every_level_is_logged_and_raises_nothing(
    level: Any, log_format: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = TelemetrySettings(log_level=level, log_format=log_format)
    configure_logging(settings, "api")
    metrics = Metrics()
    log = LogObserver(settings)
    sent = 0
    for what, names in NOTES.items():
        for at in LEVELS:
            labels = {name: name for name in {*names, *RESERVED}}
            for note in (Note(what, at, labels, math.inf), Note(what, at, fields={**labels, "odd": object()})):
                metrics(note)
                log(note)  # not behind Fanout, which would hide it
                sent += LEVELS.index(at) >= LEVELS.index(level)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == sent
    if log_format == "json":
        line = json.loads(lines[0])
        assert (line["event"], line["event_"], line["process"], line["process_"]) == (
            next(iter(NOTES)), "event", "api", "process",
        )  # fmt: skip


def test_what_an_observer_raises_reaches_the_others_as_a_note_and_the_caller_not_at_all() -> None:
    seen: list[Note] = []

    def failing(_: Note, /) -> None:
        raise RuntimeError("the secret")

    Fanout(failing, seen.append, failing)(Note("x"))
    assert [note.what for note in seen] == ["error.unexpected", "x", "error.unexpected"]
    assert "the secret" not in str(seen)
    assert seen[0].fields["error"] == "RuntimeError"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_log_whose_disk_is_full_stops_nobody() -> None:
    code = (
        "from contracts.settings import TelemetrySettings; from telemetry.process import start_telemetry\n"
        "from telemetry.observer import Note; import logging\n"
        "observer, metrics = start_telemetry(TelemetrySettings(), 'api')\n"
        "observer(Note('error.unexpected', 'error', {'where': 'x'})); logging.error('x'); print('on')\n"
        "print([line for line in metrics.render().decode().splitlines() if 'unexpected_errors_total{' in line])"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.stdout.decode().splitlines() == [
        "on",
        """['llm_provider_unexpected_errors_total{process="api-1",where="x"} 1.0']""",
    ]
