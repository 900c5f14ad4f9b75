"""The generated pages: settings.md, errors.md and metrics.md."""

import inspect
from typing import Any

from pydantic import SecretStr

from contracts import errors
from contracts.enums import ON_KAFKA
from contracts.settings import CONCERNS, PROVIDER_CLASSES, variables
from contracts.settings.base import TEST_PREFIX
from docs.generate.common import GENERATED, docstring
from telemetry.metrics import table as metric_table
from web.problem import error_tree, type_uri

#: The end of metrics.md.
BOOKS = """
The hash `umpire:totals` in Redis counts each request where it is accepted and where it ends, in the same step, and is
never reset: `accepted.<provider>` and `ended.<provider>.<status>.<error code>` (`-` for a verdict). A repeated
submission with the same Idempotency-Key is not accepted again. A request from the spool counts when it enters the
ledger. A dead letter is not an end: its request has ended before. `books_difference` is what was accepted, less what
ended, less what is unfinished. One script reads all three in one step, so it is 0 at any moment; a value that stays
is a request that is missing, or that ended twice.

Processes of an older version do not write these totals. The first read of the books stores the present difference as
their `base`, so that they begin at 0 although the ledger may hold requests that an older version accepted. While older
processes still run, the difference moves: each request that only one of its two sides counted changes it by one. It
means nothing until the last of them has stopped. Then let the books begin again: `redis-cli HDEL umpire:totals base`.
A Redis that loses its last writes (no append-only file, or a replica that was behind when it took over) loses both
sides of the books together.
"""


def settings_md() -> str:
    lines = ["# Settings", "", f"<!-- {GENERATED} -->", ""]
    lines += [
        "All settings are environment variables. A process does not start with a wrong value or an unknown `UMPIRE_…`",
        "name; it prints one line for each. Separate the items of a list by commas.",
        "[tuning.md](tuning.md#removed-settings) lists settings that were removed.",
        "",
    ]
    for concern in CONCERNS:
        provider = next((p.value for p, cls in PROVIDER_CLASSES.items() if cls is concern), None)
        title = concern.__name__.removesuffix("Settings")
        lines += [f"## {title}", "", "| variable | default | meaning |", "|---|---|---|"]
        for name, field_name in variables(concern).items():
            if name.startswith(TEST_PREFIX):
                continue
            field = concern.model_fields[field_name]
            meaning = " ".join(docstring(concern, field_name).format(provider=provider).split())
            lines.append(f"| `{name}` | {_default(field.get_default(call_default_factory=True))} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None:
        return "not set"
    if isinstance(value, list):
        value = ",".join(str(part) for part in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def errors_md() -> str:
    tree = inspect.getdoc(errors) or ""
    drawn = tree[tree.index("UmpireError") : tree.index("Each class has")].rstrip()
    lines = ["# Errors", "", f"<!-- {GENERATED} -->", ""]
    lines += [
        "Every 4xx and 5xx is an RFC 9457 problem (`application/problem+json`) with `error_code`; a request that was",
        "accepted and failed tells the same in `error_detail` of its result event. The `type` of a problem ends in its",
        "name here: `/problems/queue-full` is QueueFull.",
        "",
        "```text",
        drawn,
        "```",
        "",
        "| error | code | on Kafka | HTTP | try again | another call helps | trips the breaker |",
        "|---|---|---|---|---|---|---|",
    ]
    for cls in error_tree():
        provider = issubclass(cls, errors.ProviderError)
        kafka = ON_KAFKA.get(cls.code, cls.code).value
        anchor = type_uri(cls).rpartition("/")[2]
        helps = _yes(not cls.permanent) if issubclass(cls, errors.ProviderError) else "–"
        trips = _yes(cls.trips) if provider and issubclass(cls, errors.ProviderError) else "–"
        same = "the same" if kafka == cls.code.value else f"`{kafka}`, the code in `details.reason`"
        lines.append(
            f'| <a id="{anchor}"></a>{cls.__name__} | `{cls.code.value}` | {same} | {cls.status} {cls.title} '
            f"| {_yes(cls.retryable)} | {helps} | {trips} |"
        )
    return "\n".join([*lines, ""])


def metrics_md() -> str:
    lines = ["# Metrics", "", f"<!-- {GENERATED} -->", ""]
    lines += [
        "`GET /metrics` of an API process, and the metrics port of a worker. All names begin with",
        f"`{metric_table.PREFIX}`.",
        "Series of a process have the label `process` as well, and one scrape shows all processes of a host.",
        "",
        "## Counted by each process",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    counted = {metric.name: metric for row in metric_table.TABLE.values() for metric in row}
    lines += [_metric(one.name, _kind(one), one.labels, one.help) for one in counted.values()]
    lines += [
        "",
        "## Shared state",
        "",
        "Gauges that an API process reads from Redis (and from the spool of its host) at each scrape. All API",
        "processes show the same values: aggregate them with `max`, not with `sum`.",
        "",
        "| metric | labels | meaning |",
        "|---|---|---|",
    ]
    lines += [_gauge(name, labels, text) for name, (text, labels) in metric_table.GAUGES.items()]
    lines += ["", "## The books", "", *BOOKS.strip().splitlines(), ""]
    return "\n".join(lines)


def _kind(metric: metric_table.Metric) -> str:
    return "gauge" if metric.level else "counter" if metric.buckets is None else "histogram"


def _metric(name: str, kind: str, labels: tuple[str, ...], text: str) -> str:
    return f"| `{name}` | {kind} | {_labels(labels)} | {text} |"


def _gauge(name: str, labels: tuple[str, ...], text: str) -> str:
    return f"| `{name}` | {_labels(labels)} | {text} |"


def _labels(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "–"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
