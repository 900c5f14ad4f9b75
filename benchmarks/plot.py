"""The plot: how far each goal's must is kept, comparisons a second, and CPU by process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.score import Row, Verdict
from benchmarks.tables import CHAINS, PARTS

_COLOURS = {Verdict.GOAL: "#1b7a43", Verdict.MUST: "#1f5fa8", Verdict.FAILED: "#b3261e"}


def plot(found: Mapping[str, Mapping[str, Any]], rows: Sequence[Row], path: Path) -> None:
    heights = (1 + 0.25 * len(rows), 5.5)
    figure = Figure(figsize=(12, sum(heights)), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    _goals(upper.subplots(), rows)
    rates, costs = lower.subplots(1, 2)
    _rates(rates, found)
    _costs(costs, found)
    for axes in (*upper.axes, *lower.axes):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)


def _goals(axes: Axes, rows: Sequence[Row]) -> None:
    """Times better than must, so that further right is better everywhere; a goal is a black mark."""
    drawn = [(row, times) for row in rows if (times := better(row, row.value)) is not None]
    labels = [f"{row.goal.line}  {row.goal.what}" for row, _ in drawn]
    bars = axes.barh(
        range(len(drawn)), [times - 1 for _, times in drawn], left=1, color=[_COLOURS[row.verdict] for row, _ in drawn]
    )
    axes.bar_label(bars, [f"{times:.2f}" for _, times in drawn], padding=3, fontsize="small")
    for place, (row, _) in enumerate(drawn):
        if (mark := better(row, row.goal.goal)) is not None:
            axes.plot([mark, mark], [place - 0.4, place + 0.4], color="black")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(drawn)), labels, fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set_title("Times better than must (green: the goal, too; mark: the goal)", loc="left")


def better(row: Row, value: float | None) -> float | None:
    """How many times better than must `value` is. None where no factor says so: a must or a value of 0, or less."""
    must = row.goal.must
    if value is None or value <= 0 or must <= 0:
        return None
    return value / must if row.goal.better == "more" else must / value


def _rates(axes: Axes, found: Mapping[str, Mapping[str, Any]]) -> None:
    accept = found.get("accept", {})
    bars = [(f"accept: {name}", accept[name]["rate"]) for name in ("umpire", "echo") if name in accept]
    bars += [(title, found[name]["rate"]) for name, title in CHAINS.items() if name in found]
    bars += [(name, one["rate"]) for name, one in found.get("peers", {}).items()]
    drawn = axes.barh([label for label, _ in bars], [rate for _, rate in bars], color="#1f5fa8")
    axes.bar_label(drawn, fmt="%.0f", padding=3)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_title("Comparisons a second", loc="left")


def _costs(axes: Axes, found: Mapping[str, Mapping[str, Any]]) -> None:
    chains = [name for name in CHAINS if name in found]
    left = [0.0] * len(chains)
    for part in PARTS:
        widths = [found[name]["cpu_ms"].get(part, 0.0) for name in chains]
        axes.barh([CHAINS[name] for name in chains], widths, left=left, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_title("CPU ms a comparison, by process", loc="left")
    if chains:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, frameon=False, fontsize="small")
