"""The report of one run of `umpire tune`: a line per level while it runs, then a table with bars, the advice as shell
lines, and two files.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from rich.bar import Bar
from rich.markup import escape
from rich.table import Table

from cli.console import out
from cli.tune.advice import Advice, Quota
from cli.tune.level import LoadLevel
from contracts.encoding import dumps
from contracts.enums import LLMProviderType

#: Characters of the longest bar, so that the table fits into 80 columns.
_BAR = 18
_NARROWEST = 40
_MS = 1000


@dataclass(frozen=True, slots=True)
class TuneReport:
    provider: LLMProviderType
    model: str
    levels: Sequence[LoadLevel]
    #: Why the sweep ended before its last level; empty: it was complete.
    stopped: str
    calls: int
    #: USD; None: unknown.
    spent_usd: float | None
    quota: Quota
    advice: Advice | None

    @property
    def base_seconds(self) -> float | None:
        """Median seconds of a call with the fewest calls in flight: the W of the ideal rate N / W. None: no verdict."""
        return next((level.latency.p50 for level in self.levels if level.latency), None)

    def write(self, folder: Path) -> list[Path]:
        """Write tune.json and, if anything was measured, tune.png. Returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / "tune.json"]
        files[0].write_bytes(dumps(self.as_json()) + b"\n")
        if self.base_seconds:
            from cli.tune.plot import plot  # matplotlib costs half a second

            files.append(plot(self, folder / "tune.png"))
        return files

    def as_json(self) -> dict[str, Any]:
        content = asdict(self) | {"stopped": self.stopped or None}
        if self.advice:
            content["advice"]["knee"] = self.advice.knee.concurrency
        return content


@contextmanager
def progress(levels: Sequence[int]) -> Iterator[Callable[[LoadLevel], None]]:
    """Shows which level is running. The function that it gives must be called with each level that has ended."""
    with out.status(f"{levels[0]} in flight …") as status:

        def ended(level: LoadLevel) -> None:
            if not out.is_terminal:
                out.print(f"{level.concurrency} in flight: {level.rate:.1f}/s", markup=False)
            following = next((one for one in levels if one > level.concurrency), None)
            status.update(f"{following} in flight …" if following else "")

        yield ended


def show(report: TuneReport) -> None:
    if report.levels:
        out.print(level_table(report), soft_wrap=False)
    if report.stopped:
        out.print(f"The sweep ended early: {report.stopped}.", markup=False, soft_wrap=False)
    if report.advice is None:
        why = "at each level too many calls were refused or failed, or the time was too short"
        out.print(f"No advice: {why}. Try lower --levels or more --seconds.", soft_wrap=False)
        return
    for note in report.advice.notes:
        out.print(f"[yellow]note[/yellow]  {escape(note)}", soft_wrap=False)
    out.print()
    for line in advice_lines(report.advice, report.provider.value, out.width):
        style = "dim" if line.startswith("#") else None
        out.print(line, style=style, markup=False)


def advice_lines(advice: Advice, provider: str, width: int) -> list[str]:
    """The advice as shell lines, with comments wrapped to `width` characters."""
    why = f", by the {advice.bound}" if advice.bound else ""
    lines = [f"# For {advice.rate:.1f} comparisons a second{why}:"]
    for setting in advice.settings:
        lines += [*_comment(setting.because, width), setting.export]
    hourly = "at an unknown price" if advice.hourly is None else f"for ${advice.hourly:.2f} an hour"
    lines += _comment(f"{advice.rate:.1f} comparisons a second {hourly}, at the length of the sample essays.", width)
    following = _comment("Next, in a shell with these lines (for compose.yaml: with them in umpire.env):", width)
    return [*lines, *following, f"# umpire worker --provider {provider}"]


def _comment(text: str, width: int) -> list[str]:
    """Comment lines, wrapped here, since a copy of a line wrapped by the terminal could end the comment."""
    return wrap(text, max(width, _NARROWEST), initial_indent="# ", subsequent_indent="# ")


def level_table(report: TuneReport) -> Table:
    knee = report.advice.knee.concurrency if report.advice and report.advice.limited else None
    spent = "" if not report.spent_usd else f", ${report.spent_usd:.4f}"
    spent = ", at an unknown price" if report.spent_usd is None else spent
    table = Table(header_style="bold", title_justify="left", caption_justify="left", padding=(0, 1), box=None)
    table.title = f"{report.provider.value} {report.model}: {report.calls:,} calls{spent}"
    table.add_column("in flight", justify="right")
    table.add_column("per s", justify="right")
    table.add_column("", width=_BAR, no_wrap=True)
    for name in ("p50 ms", "p95 ms", "refused", "failed"):
        table.add_column(name, justify="right")
    best = max((level.rate for level in report.levels), default=0.0)
    for level in report.levels:
        mark = " [bold green]knee[/bold green]" if level.concurrency == knee else ""
        table.add_row(*_row(level, best), f"{'cut' if level.cut else ''}{mark}")
    table.caption = "\n".join(_facts(report))
    return table


def _facts(report: TuneReport) -> list[str]:
    """Tokens a verdict and the provider's limits, then a line per error code with its count."""
    quota = report.quota
    limits = [f"{name} {value:,}" for name, value in (("RPM", quota.rpm), ("TPM", quota.tpm)) if value]
    limit = f"{quota.source}: {', '.join(limits)}" if limits else "no limit was announced"
    errors: Counter[str] = Counter()
    for level in report.levels:
        errors.update(level.errors)
    return [
        f"{report.levels[-1].tokens:,.0f} tokens a verdict · {limit}",
        *(f"{count} × {code}" for code, count in errors.items()),
    ]


def _row(level: LoadLevel, best: float) -> list[str | Bar]:
    latency = level.latency
    times = [f"{latency.p50 * _MS:,.0f}", f"{latency.p95 * _MS:,.0f}"] if latency else ["–", "–"]
    refused = f"[red]{level.refusals}[/red]" if level.refusals else "0"
    failed = f"[red]{level.failed}[/red]" if level.failed else "0"
    return [str(level.concurrency), f"{level.rate:,.1f}", Bar(best, 0, level.rate, width=_BAR), *times, refused, failed]
