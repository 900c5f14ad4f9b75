"""The output of `umpire tune`: a line per level while it runs, a table with bars, and the advice as shell lines."""

from collections.abc import Sequence
from textwrap import wrap
from types import TracebackType
from typing import Self

from rich.markup import escape
from rich.status import Status
from rich.table import Table

from cli.console import out
from cli.tune.advice import Advice
from cli.tune.level import LoadLevel
from cli.tune.report import TuneReport

#: Characters of the longest bar, so that the table fits into 80 columns.
_BAR = 18
_NARROWEST = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_MS = 1000


class Progress:
    """Shows which level is running."""

    def __init__(self, levels: Sequence[int]) -> None:
        self._left = list(levels)
        self._status = Status("", console=out) if out.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        self._next()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def level(self, level: LoadLevel) -> None:
        """Called when a level has ended."""
        while self._left and self._left[0] <= level.concurrency:
            del self._left[0]
        if not self._status:
            out.print(f"{level.concurrency} in flight: {level.rate:.1f}/s", markup=False)
        self._next()

    def _next(self) -> None:
        if self._status and self._left:
            self._status.update(f"{self._left[0]} in flight …")


def show(report: TuneReport) -> None:
    if report.levels:
        out.print(table(report), soft_wrap=False)
    if report.stopped:
        out.print(f"It ended there: {report.stopped}.", markup=False, soft_wrap=False)
    if report.advice is None:
        out.print("No advice: no level was measured for long enough that the provider took.", soft_wrap=False)
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
    hourly = "at a price that is not known" if advice.hourly is None else f"for ${advice.hourly:.2f} an hour"
    lines += _comment(f"{advice.rate:.1f} comparisons a second {hourly}, at the length of the sample essays.", width)
    following = _comment("Next, in a shell with these lines (for compose.yaml: with them in umpire.env):", width)
    return [*lines, *following, f"# umpire worker --provider {provider}"]


def _comment(text: str, width: int) -> list[str]:
    """Comment lines, wrapped here, since a copy of a line wrapped by the terminal could end the comment."""
    return wrap(text, max(width, _NARROWEST), initial_indent="# ", subsequent_indent="# ")


def table(report: TuneReport) -> Table:
    knee = report.advice.knee.concurrency if report.advice and report.advice.limited else None
    spent = "" if not report.spent else f", ${report.spent:.4f}"
    spent = ", at a price that is not known" if report.spent is None else spent
    made = Table(header_style="bold", title_justify="left", caption_justify="left", padding=(0, 1), box=None)
    made.title = f"{report.provider.value} {report.model}: {report.calls:,} calls{spent}"
    made.add_column("in flight", justify="right")
    made.add_column("per s", justify="right")
    made.add_column("", width=_BAR, no_wrap=True)
    for name in ("p50 ms", "p95 ms", "refused", "failed"):
        made.add_column(name, justify="right")
    best = max((level.rate for level in report.levels), default=0.0)
    for level in report.levels:
        mark = " [bold green]knee[/bold green]" if level.concurrency == knee else ""
        made.add_row(*_row(level, best), f"{'cut' if level.cut else ''}{mark}")
    made.caption = "\n".join([*_said(report), *_codes(report.levels)])
    return made


def _said(report: TuneReport) -> list[str]:
    tokens = report.levels[-1].tokens
    quota = report.quota
    limits = [f"{name} {value:,}" for name, value in (("RPM", quota.rpm), ("TPM", quota.tpm)) if value]
    limit = f"{quota.source}: {', '.join(limits)}" if limits else "no limit was announced"
    return [f"{tokens:,.0f} tokens a verdict · {limit}"]


def _row(level: LoadLevel, best: float) -> list[str]:
    latency = level.latency
    times = [f"{latency.p50 * _MS:,.0f}", f"{latency.p95 * _MS:,.0f}"] if latency else ["–", "–"]
    refused = f"[red]{level.refusals}[/red]" if level.refusals else "0"
    failed = f"[red]{level.failed}[/red]" if level.failed else "0"
    return [str(level.concurrency), f"{level.rate:,.1f}", bar(level.rate, best), *times, refused, failed]


def bar(value: float, most: float) -> str:
    eighths = round(8 * _BAR * value / most) if most else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _codes(levels: Sequence[LoadLevel]) -> list[str]:
    counts: dict[str, int] = {}
    for level in levels:
        for code, count in level.errors.items():
            counts[code] = counts.get(code, 0) + count
    return [f"{count} × {code}" for code, count in counts.items()]
