"""The plot: each goal against its limit, and the curves of the studies that have some."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.judging.study import Table

_MET, _MISSED = "#1b7a43", "#b3261e"


def plot(tables: Mapping[str, Table], path: Path) -> None:
    goals = [(name, goal) for name, table in tables.items() for goal in table.goals]
    curved = [table for table in tables.values() if table.curves]
    height = 1.5 + 0.28 * len(goals)
    figure = Figure(figsize=(12, height + 5 * len(curved)), layout="constrained")
    parts = figure.subfigures(1 + len(curved), 1, height_ratios=[height, *[5] * len(curved)], squeeze=False)[:, 0]
    axes = parts[0].subplots()
    for place, (_, goal) in enumerate(goals):
        scale = goal.limit or 1.0
        noise = None if goal.noise is None else 2 * goal.noise / scale
        axes.errorbar(goal.value / scale, place, xerr=noise, fmt="o", color=_MET if goal.met else _MISSED, capsize=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(goals)), [f"{name}: {goal.what}" for name, goal in goals], fontsize="small")
    axes.invert_yaxis()
    axes.set_title("Figure ÷ goal, ± 2 standard errors (green: met)", loc="left")
    for part, table in zip(parts[1:], curved, strict=True):
        axes = part.subplots()
        for label, (x, y) in table.curves.items():
            axes.plot(x, y, label=label)
        axes.axhline(0.95, color="black", linewidth=0.8)
        axes.set_xlabel(table.axes[0])
        axes.set_ylabel(table.axes[1])
        axes.set_title(table.title, loc="left")
        axes.legend(fontsize="x-small", ncols=2)
    figure.savefig(path, dpi=140)
