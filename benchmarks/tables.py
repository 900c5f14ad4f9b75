"""Tables for a reader: the lines of the goals first, then what lies behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.score import Row, Verdict

Result = Mapping[str, Any]

CHAINS = {
    "backlog": "backlog, 20 ms",
    "paced": "paced, 20 ms",
    "paced_moderate": "paced, 20 ms, fewer",
    "backlog_openai": "openai, backlog, 20 ms",
    "paced_openai": "openai, paced, 20 ms",
    "backlog_google": "google, backlog, 20 ms",
    "paced_google": "google, paced, 20 ms",
    "slow_backlog": "backlog, 1 s",
    "slow_paced": "paced, 1 s",
    "spread_backlog": "backlog, 1 s log-normal",
    "spread_paced": "paced, 1 s log-normal",
    "thousand": "backlog, 3 s, 2 × 500",
}
#: What another's trouble may do to a p95.
FAIR = 1.2

PARTS = ("api", "worker", "redis", "kafka", "upstream", "consumer", "load client")

_STYLES = {Verdict.FAILED: "bold red", Verdict.UNKNOWN: "dim"}


def show(about: Result, found: Mapping[str, Result], rows: Sequence[Row]) -> None:
    console = Console(width=130)
    console.print(", ".join(f"{name} {value}" for name, value in about.items()))
    if "accept" in found:
        console.print(_accept_table(found["accept"]))
    if "single" in found:
        console.print(_single_table(found["single"]))
    if any(name in found for name in CHAINS):
        console.print(_chain_table(found))
        console.print(_cpu_table(found))
    for name, title in _PLAIN.items():
        if name in found:
            console.print(_plain_table(title, found[name]))
    if "fairness" in found:
        console.print(_fairness_table(found["fairness"]))
    if rows:
        console.print(_lines(rows))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _lines(rows: Sequence[Row]) -> Table:
    table = _table("Goals", "line", "", "must", "goal", "value", "value ÷ must", "runs", "")
    table.columns[1].justify = "left"
    before = None
    for row in rows:
        goal, sign = row.goal, "≥" if row.goal.better == "more" else "≤"
        table.add_row(
            str(goal.line) if goal.line != before else "",
            goal.what,
            f"{sign} {number(goal.must)} {goal.unit}".rstrip(),
            "" if goal.goal is None else number(goal.goal),
            "" if row.value is None else number(row.value),
            "" if row.ratio is None else f"{row.ratio:.2f}",
            str(row.runs) if row.runs else "",
            row.verdict.value,
            style=_STYLES.get(row.verdict),
        )
        before = goal.line
    return table


def number(value: float | str) -> str:
    """As many digits as one reads."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _accept_table(found: Result) -> Table:
    table = _table(
        "Accept (respond-async)",
        "", "a second", "p50 ms", "p99 ms", "at 80 %: p50 ms", "p99 ms", "API CPU ms", "Redis", "Kafka",
    )  # fmt: skip
    for name in ("umpire", "echo"):
        one = found[name]
        keys = ("p50_ms", "p99_ms", "steady_p50_ms", "steady_p99_ms")
        costs = ("api_cpu_ms", "redis_cpu_ms", "kafka_cpu_ms")
        table.add_row(
            name, f"{one['rate']:.0f}", *(f"{one[key]:.1f}" for key in keys), *(f"{one[key]:.3f}" for key in costs)
        )
    table.caption = (
        f"{found['of_echo']:.2f} of echo's rate, {found['cpu_of_echo']:.2f} × its CPU. p99 ÷ p50 at 80 %: "
        f"{found['steady_p99_of_p50']:.1f} by stretch, {found['steady_worst_p99_of_p50']:.1f} in the worst, "
        f"{found['steady_together_p99_of_p50']:.1f} of all as they are "
        f"(echo {found['echo_steady_p99_of_p50']:.1f} by stretch)"
    )
    return table


def _single_table(one: Result) -> Table:
    table = _table(
        f"One at a time, upstream {one['provider_ms']:.1f} ms",
        "", "p50 ms", "p95 ms", "worst ms", "without the upstream: p50 ms", "p95 ms",
    )  # fmt: skip
    for name, title in (("event", "submit → event"), ("answer", "submit → 200 with the verdict, immediate")):
        worst = f"{one[f'{name}_worst_ms']:.0f}"
        first, last = (f"{one[f'{name}_{p}_ms']:.1f}" for p in ("p50", "p95"))
        table.add_row(title, first, last, worst, *(f"{one[f'{name}_added_{p}_ms']:.1f}" for p in ("p50", "p95")))
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
        "", "offered/s", "done/s", "share of ideal", "peak calls", "accept p50 ms", "event p50 ms", "p95 ms",
        "connections",
    )  # fmt: skip
    for name, title in CHAINS.items():
        if name in found:
            one = found[name]
            latencies = (("accept_p50_ms", ".1f"), ("event_p50_ms", ".0f"), ("event_p95_ms", ".0f"))
            table.add_row(
                title,
                f"{one['offered']:.0f}" if "offered" in one else "all",
                f"{one['rate']:.0f}",
                f"{one['of_ideal']:.1%}" if "of_ideal" in one else "",
                f"{one['peak']:.0f}",
                *(f"{one[key]:{form}}" if key in one else "" for key, form in latencies),
                f"{one['connections_per_1000']:.0f}" if "connections_per_1000" in one else "",
            )
    table.caption = "connections: new ones to the upstream for every 1,000 calls"
    return table


def _cpu_table(found: Mapping[str, Result]) -> Table:
    bare = found["bare_call"]["cpu_ms"] if "bare_call" in found else None
    table = _table("CPU, ms a comparison", "", *PARTS, "all", "worker ÷ bare call")
    for name, title in CHAINS.items():
        if name in found:
            spent = found[name]["cpu_ms"]
            row = [f"{spent[part]:.2f}" if part in spent else "" for part in PARTS]
            share = f"{spent['worker'] / bare:.2f}" if bare and not name.endswith(("openai", "google")) else ""
            table.add_row(title, *row, f"{sum(spent.values()):.2f}", share)
    if bare:
        table.caption = f"bare call: the anthropic SDK's own, alone in a process, {bare:.2f} ms"
    return table


_PLAIN = {
    "batch": "Batches of comparisons of 3,000 characters, one after the other",
    "immediate": "In immediate mode, 100 a second, upstream 300 ms",
    "reuse": "What keeping connections gains the SDK's own call, in the clear on loopback",
    "peers": "Peers, closed loop",
    "starting": "Starting",
    "scrape": "One scrape of 20 processes, all series changed since the one before",
    "memory": "Memory, 200 calls in flight",
    "depth": "Cost by the depth of the backlog",
    "adaptive": "Upstreams whose limit is not known",
}


def _plain_table(title: str, found: Result) -> Table:
    """One row for each nested table, and one for the numbers beside them."""
    nested = {name: one for name, one in found.items() if isinstance(one, Mapping)}
    rest = {name: one for name, one in found.items() if not isinstance(one, Mapping)}
    rows = nested | ({"": rest} if rest else {})
    columns = list(dict.fromkeys(key for one in rows.values() for key in one))
    table = _table(title, "", *(column.replace("_", " ") for column in columns))
    for name, one in rows.items():
        table.add_row(name, *(number(one[column]) if column in one else "" for column in columns))
    return table
