"""The report as lines of text."""

from collections.abc import Iterator

from chaos.check.recovery import Recovery
from chaos.check.report import Report

#: Most lines shown of each kind.
MOST = 20


def lines(report: Report, recoveries: list[Recovery], began: float) -> Iterator[str]:
    yield ""
    yield f"{'at':>7}  {'lasted':>7}  {'answers back':>12}  {'backlog gone':>12}  fault"
    for one in recoveries:
        yield (
            f"{one.began - began:6.0f}s  {one.lasted:6.1f}s  {_seconds(one.answers)}  {_seconds(one.backlog)}  "
            f"{one.fault}: {one.result}"
        )
    yield ""
    for name, value in report.counts.items():
        if isinstance(value, dict):
            yield f"{name}:"
            yield from (f"    {kind}: {count}" for kind, count in value.items())
        else:
            yield f"{name}: {value}"
    yield ""
    for charge in report.duplicate_charges:
        call = f"call {charge.call['call']} by {charge.call['worker']}"
        yield f"paid again: {charge.queue_id}, {call}: {charge.cause or 'UNEXPLAINED'}"
    yield ""
    for promise, found in report.broken.items():
        yield f"{'BROKEN' if found else 'kept  '}  {promise}: {len(found)}"
        yield from (f"          {line}" for line in found[:MOST])
    yield ""
    yield "passed" if report.ok else "FAILED"


def _seconds(value: float | None) -> str:
    return f"{'never':>12}" if value is None else f"{value:10.1f} s"
