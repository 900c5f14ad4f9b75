"""Tables for a reader, JSON for a program, and a plot."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from umpire_kafka import EmbeddedKafka

from benchmarks import ROOT
from benchmarks.stack import Servers
from benchmarks.tools import Tools
from contracts.clock import iso, utcnow

Result = dict[str, Any]

CHAINS = {
    "backlog": "backlog, 20 ms",
    "paced": "paced, 20 ms",
    "slow_backlog": "backlog, 1 s",
    "slow_paced": "paced, 1 s",
}
#: What another's trouble may do to a p95.
FAIR = 1.2

PARTS = ("api", "worker", "redis", "kafka", "upstream", "consumer", "load client")


def machine(servers: Servers, tools: Tools, *, fsync: str) -> Result:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "at": iso(utcnow()),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        # At the start, when only servers idle: above 0.5, somebody else was at work.
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "python": platform.python_version(),
        "kafka": "embedded" if isinstance(servers.broker, EmbeddedKafka) else "apache",
        "redis_appendfsync": fsync,
        "tools": tools.language,
        "celery": version("celery"),
        "fastapi": version("fastapi"),
    }


def medians(runs: Sequence[Result]) -> Result:
    """Of each number over the runs; a nested table's too."""
    return {
        key: medians([run[key] for run in runs])
        if isinstance(value, Mapping)
        else statistics.median(run[key] for run in runs)
        for key, value in runs[0].items()
    }


def write(folder: Path, about: Result, runs: Mapping[str, Sequence[Result]], found: Mapping[str, Result]) -> None:
    whole = {"machine": about, "medians": found, "runs": runs}
    (folder / "results.json").write_text(json.dumps(whole, indent=2) + "\n")
    _plot(found, folder / "results.png")


def show(about: Result, found: Mapping[str, Result], runs: Mapping[str, Sequence[Result]]) -> None:
    console = Console(width=120)
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    if "accept" in found:
        console.print(_accept_table(found["accept"], runs["accept"]))
    if "single" in found:
        console.print(_single_table(found["single"]))
    if "fairness" in found:
        console.print(_fairness_table(found["fairness"]))
    if any(name in found for name in CHAINS):
        console.print(_chain_table(found))
        console.print(_cpu_table(found))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _accept_table(found: Result, runs: Sequence[Result]) -> Table:
    table = _table(
        "Accept (respond-async)",
        "",
        "a second",
        "share of echo",
        "p50 ms",
        "p99 ms",
        "API CPU ms",
        "of echo",
        "Redis",
        "Kafka",
    )
    for name, one in found.items():
        # Ratios within each run, since a machine's mood changes between runs.
        speed = statistics.median(run[name]["rate"] / run["echo"]["rate"] for run in runs)
        effort = statistics.median(run[name]["api_cpu_ms"] / run["echo"]["api_cpu_ms"] for run in runs)
        table.add_row(
            name,
            f"{one['rate']:.0f}",
            f"{speed:.2f}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            f"{one['api_cpu_ms']:.3f}",
            f"{effort:.2f} ×",
            f"{one['redis_cpu_ms']:.3f}",
            f"{one['kafka_cpu_ms']:.3f}",
        )
    return table


def _single_table(one: Result) -> Table:
    table = _table(f"One at a time, upstream {one['upstream_ms']:.0f} ms", "", "p50 ms", "p95 ms", "worst ms")
    table.add_row(
        "submit → event", f"{one['event_p50_ms']:.1f}", f"{one['event_p95_ms']:.1f}", f"{one['event_worst_ms']:.0f}"
    )
    table.add_row("… without the upstream", f"{one['over_upstream_p50_ms']:.1f}", f"{one['over_upstream_p95_ms']:.1f}")
    table.add_row(
        "submit → 200 with the verdict",
        f"{one['answer_p50_ms']:.1f}",
        f"{one['answer_p95_ms']:.1f}",
        f"{one['answer_worst_ms']:.0f}",
    )
    return table


def _fairness_table(found: Result) -> Table:
    table = _table(
        "One provider in trouble: another's submit → event beside it",
        "the first one", "p50 ms without", "with", "p95 ms without", "with", "p95 ratio", f"≤ {FAIR}",
        "its cores", "drained in s",
    )  # fmt: skip
    for name, one in found.items():
        alone, beside = one["without"], one["with"]
        table.add_row(
            name,
            *(f"{ms:.0f}" for key in ("p50_ms", "p95_ms") for ms in (alone[key], beside[key])),
            f"{one['p95_ms_ratio']:.2f}",
            "yes" if one["p95_ms_ratio"] <= FAIR else "NO",
            f"{one['troubled_cores']:.2f}",
            f"{one['drained_seconds']:.0f}",
        )
    return table


def _chain_table(found: Mapping[str, Result]) -> Table:
    table = _table(
        "End to end",
        "",
        "offered/s",
        "done/s",
        "share of ideal",
        "peak calls",
        "accept p50 ms",
        "event p50 ms",
        "p95 ms",
    )
    for name, title in CHAINS.items():
        if name in found:
            one = found[name]
            table.add_row(
                title,
                f"{one['offered']:.0f}" if "offered" in one else "all",
                f"{one['rate']:.0f}",
                f"{one['rate'] / one['ideal']:.0%}" if "ideal" in one else "",
                f"{one['peak']:.0f}",
                f"{one['accept_p50_ms']:.1f}" if "accept_p50_ms" in one else "",
                f"{one['event_p50_ms']:.0f}" if "event_p50_ms" in one else "",
                f"{one['event_p95_ms']:.0f}" if "event_p95_ms" in one else "",
            )
    return table


def _cpu_table(found: Mapping[str, Result]) -> Table:
    bare = found["bare_call"]["cpu_ms"] if "bare_call" in found else None
    table = _table("CPU, ms a comparison", "", *PARTS, "all", "worker ÷ bare call")
    for name, title in CHAINS.items():
        if name in found:
            spent = found[name]["cpu_ms"]
            row = [f"{spent[part]:.2f}" if part in spent else "" for part in PARTS]
            share = f"{spent['worker'] / bare:.2f}" if bare else ""
            table.add_row(title, *row, f"{sum(spent.values()):.2f}", share)
    if bare:
        table.caption = f"bare call: the SDK's own, alone in a process, {bare:.2f} ms"
    return table


def _plot(found: Mapping[str, Result], path: Path) -> None:
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    rates, costs = figure.subplots(1, 2)
    bars = [(f"accept: {name}", one["rate"]) for name, one in found.get("accept", {}).items()]
    bars += [(title, found[name]["rate"]) for name, title in CHAINS.items() if name in found]
    labels = [label for label, _ in bars]
    drawn = rates.barh(labels, [rate for _, rate in bars], color="#1f5fa8")
    rates.bar_label(drawn, fmt="%.0f", padding=3)
    rates.margins(x=0.15)
    rates.invert_yaxis()
    rates.set_title("Comparisons a second", loc="left")
    chains = [name for name in CHAINS if name in found]
    left = [0.0] * len(chains)
    for part in PARTS:
        widths = [found[name]["cpu_ms"].get(part, 0.0) for name in chains]
        costs.barh([CHAINS[name] for name in chains], widths, left=left, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    costs.invert_yaxis()
    costs.set_title("CPU ms a comparison, by process", loc="left")
    if chains:
        costs.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, frameon=False, fontsize="small")
    for axes in (rates, costs):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)
