"""What was found: medians, JSON for a program, and what machine it was."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import ROOT, score
from benchmarks.stack import Servers
from contracts.clock import iso, utcnow
from devtools.kafka import EmbeddedKafka

Result = Mapping[str, Any]


def machine(servers: Servers, *, fsync: str) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "at": iso(utcnow()),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        # At the start, when only servers idle: above 0.5, somebody else was at work.
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "python": f"{platform.python_version()} ({sys.base_prefix})",
        "kafka": "embedded" if isinstance(servers.broker, EmbeddedKafka) else "apache",
        "redis_appendfsync": fsync,
        "celery": version("celery"),
        "fastapi": version("fastapi"),
    }


def medians(runs: Sequence[Result]) -> dict[str, Any]:
    """Of each number over the runs that have it; a nested table's too. A text is the same in all of them."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for run in runs for key in run):
        values = [run[key] for run in runs if key in run]
        if isinstance(values[0], Mapping):
            found[key] = medians(values)
        else:
            found[key] = values[0] if isinstance(values[0], str) else statistics.median(values)
    return found


def write(
    path: Path,
    about: Result,
    runs: Mapping[str, Sequence[Result]],
    found: Mapping[str, Result],
    rows: Sequence[score.Row],
) -> None:
    whole = {"machine": about, "lines": [row.as_dict() for row in rows], "medians": found, "runs": runs}
    path.write_text(json.dumps(whole, indent=2) + "\n")
