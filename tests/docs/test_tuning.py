"""docs/tuning.md speaks of metrics and settings that exist, and reckons as `umpire tune` does."""

import math
import re
from pathlib import Path

import pytest

from cli.tune.advice import ATTEMPT_P99S, ATTEMPTS_SHARE, HEADROOM, LOOP_SHARE, SLOT_SECONDS, WORKER_CPU_SECONDS
from contracts.settings import LedgerSettings, RetrySettings, ServiceSettings, WorkerSettings
from guard.limits import Bucket
from tasks.app import SETTINGS
from tasks.runtime import TAKE_ALONG
from telemetry.metric_table import PREFIX, TABLE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")

#: Read when they are scraped, and not fed by notes.
GAUGES = re.findall(r'gauge\("(\w+)"', (ROOT / "service" / "routes" / "health.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(set(re.findall(rf"{PREFIX}(\w+)", PAGE))))
def test_each_metric_exists(name: str) -> None:
    assert name in {metric.name for metrics in TABLE.values() for metric in metrics} | set(GAUGES)


#: λ, W as the page's examples have them → its P and C.
EXAMPLES = {
    "| 400/s | 0.02 s | 8 | 1 | 17 |": (400, 0.02),
    "| 190/s | 1 s | 190 | 1 | 241 |": (190, 1.0),
    "| 333/s | 3 s | 1,000 | 1 | 1,256 |": (1000 / 3, 3.0),
    "| 26.2/s | 2 s | 52 | 1 | 66 |": (26.22, 2.0),
}


@pytest.mark.parametrize("row", EXAMPLES)
def test_the_examples_follow_from_the_formulas(row: str) -> None:
    rate, seconds = EXAMPLES[row]
    assert row in PAGE
    processes = math.ceil(rate * WORKER_CPU_SECONDS / LOOP_SHARE)
    slots = math.ceil(HEADROOM * rate * (seconds + SLOT_SECONDS) / processes)
    assert row.endswith(f"| {round(rate * seconds):,} | {processes} | {slots:,} |")


SAID = {
    "4,000 a minute are 65.6/s": round(Bucket.of(4000, unit=1).rate, 1) == 65.6,
    "2,000,000 tokens are 26.2/s at 1,250 each": round(Bucket.of(2_000_000, unit=0).rate / 1250, 1) == 26.2,
    "UMPIRE_QUEUE_TTL_SECONDS (4 h)": LedgerSettings().queue_ttl_seconds == 4 * 3600,
    "A process runs four Celery tasks at a time": WorkerSettings().worker_threads == 4,
    "up to 15 others": TAKE_ALONG == 16,
    "**Prefetch** is one message a task": SETTINGS["worker_prefetch_multiplier"] == 1,
    "`UMPIRE_CALL_DEADLINE_SECONDS` | 120 |": RetrySettings().call_deadline_seconds == 120,
    "0.9 × D / attempts = 36 s": RetrySettings().attempt_timeout == 36,
    "The default does for a p99 up to 9 s": ATTEMPT_P99S * 9 * RetrySettings().retry_attempts / ATTEMPTS_SHARE == 120,
    "`UMPIRE_DRAIN_SECONDS` | 125 |": WorkerSettings().drain_seconds == 125,
    "a killed worker's requests after 30 to 45 s": LedgerSettings().lease_seconds == 30,
    "`UMPIRE_IMMEDIATE_WAIT_SECONDS` | 25 |": ServiceSettings().immediate_wait_seconds == 25,
    "At 2 ms that is 400 comparisons": LOOP_SHARE / WORKER_CPU_SECONDS == 400,
}


@pytest.mark.parametrize("words", SAID)
def test_the_page_speaks_of_the_defaults(words: str) -> None:
    assert words in " ".join(PAGE.split())
    assert SAID[words]
