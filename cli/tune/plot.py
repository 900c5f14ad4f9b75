"""Plots a sweep: throughput and latency against calls in flight, on one shared axis."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from cli.tune.report import TuneReport

_INK, _RULE, _MARK, _SECOND, _BAD = "#222222", "#d8d8d8", "#1f5fa8", "#c77f1e", "#b3261e"
_MS = 1000
_HEADROOM = 1.2

_plain = FuncFormatter(lambda value, _: f"{value:,g}")


def plot(report: TuneReport, path: Path) -> Path:
    # A separate Figure instead of pyplot: it needs no display and has no global state.
    figure = Figure(figsize=(8.0, 7.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _throughput(above, report)
    _latency(below, report)
    for axes in (above, below):
        axes.grid(color=_RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if report.advice:
            axes.axvline(report.advice.knee.concurrency, color=_MARK, linewidth=1, linestyle=":")
    at = [level.concurrency for level in report.levels]
    below.set_xscale("log", base=2)
    below.set_xticks(at, [str(concurrency) for concurrency in at])
    below.minorticks_off()
    below.set_xlabel("Calls in flight", color=_INK)
    title = f"{report.provider.value} {report.model}"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", color=_INK, parse_math=False)
    figure.savefig(path, dpi=130)
    return path


def _throughput(axes: Axes, report: TuneReport) -> None:
    at = [level.concurrency for level in report.levels]
    rates = [level.rate for level in report.levels]
    if report.base_seconds:
        ideal = [concurrency / report.base_seconds for concurrency in at]
        axes.plot(at, ideal, color=_INK, linewidth=1, linestyle="--", label=f"ideal: N / {report.base_seconds:.3g} s")
    axes.plot(at, rates, "o-", color=_MARK, label="verdicts")
    refused = [level for level in report.levels if level.refusals]
    if refused:
        axes.plot(
            [level.concurrency for level in refused], [level.rate for level in refused],
            "x", color=_BAD, markersize=11, markeredgewidth=2, label="some were refused",
        )  # fmt: skip
    bottom, top = 0.7 * min(rate for rate in rates if rate > 0), 2 * max(rates)
    for name, rate in report.quota.rates(report.levels[-1].tokens).items():
        axes.axhline(rate, color=_BAD, linewidth=1, linestyle="--")
        where, va = (rate, "bottom") if rate < top else (top, "top")
        axes.text(at[-1], where, f"{name} allows {rate:.1f}/s", color=_BAD, fontsize="small", va=va, ha="right")
    if report.advice:
        knee = report.advice.knee
        word = "knee" if report.advice.limited else "most measured"
        right = knee.concurrency**2 > at[0] * at[-1]
        axes.annotate(
            f"{word}: {knee.concurrency} in flight, {knee.rate:.1f}/s",
            (knee.concurrency, bottom), xytext=(-6 if right else 6, 6), textcoords="offset points",
            ha="right" if right else "left", color=_MARK,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_plain)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom, top)
    axes.set_ylabel("Comparisons a second", color=_INK)
    axes.legend(loc="upper left", frameon=False, fontsize="small")


def _latency(axes: Axes, report: TuneReport) -> None:
    seen = [(level.concurrency, level.latency) for level in report.levels if level.latency]
    at = [concurrency for concurrency, _ in seen]
    axes.plot(at, [latency.p50 * _MS for _, latency in seen], "o-", color=_MARK, label="p50")
    axes.plot(at, [latency.p95 * _MS for _, latency in seen], "o-", color=_SECOND, label="p95")
    axes.set_ylim(0, _HEADROOM * max(latency.p95 * _MS for _, latency in seen))
    axes.set_ylabel("Latency in ms", color=_INK)
    axes.legend(loc="upper left", frameon=False, fontsize="small")
