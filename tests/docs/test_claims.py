"""A page that names a test as its witness names one that is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from contracts.settings import KafkaSettings, LedgerSettings, RetrySettings, ServiceSettings, WorkerSettings

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*.md"))]

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
#: Longer names are written once, and further tests of the same file after it.
FURTHER = re.compile(r"`::(\w+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def witnesses(text: str) -> list[tuple[str, str | None]]:
    """Files and the tests in them, in the order of the page."""
    found: list[tuple[str, str | None]] = []
    for match in re.finditer(f"{NAMED.pattern}|{FURTHER.pattern}", text):
        path, name, further = match.groups()
        found.append((path, name) if path else (found[-1][0], further))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_a_page_names_exists(page: Path) -> None:
    for path, name in witnesses(page.read_text(encoding="utf-8")):
        assert (ROOT / path).is_file(), path
        assert name is None or name in names_in(path), f"{path}::{name}"


def test_the_guarantees_have_witnesses() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    promises = re.findall(r"^## (\d)\..*?(?=^## )", text, re.DOTALL | re.MULTILINE)
    assert promises == ["1", "2", "3", "4", "5"]
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:6]:
        assert witnesses(section), section[:40]


LEDGER, RETRY = LedgerSettings(), RetrySettings()

#: What the guarantees say in words, and the defaults that they speak of.
SAID = {
    "A claim is a lease (30 s)": LEDGER.lease_seconds == 30,
    "What waits for too long (4 h)": LEDGER.queue_ttl_seconds == 4 * 3600,
    "UMPIRE_FINISHED_RETENTION_SECONDS (3600)": LEDGER.finished_retention_seconds == 3600,
    "after five lapses": LEDGER.max_lapses == 5,
    "is one job, for 24 h": LEDGER.idempotency_ttl_seconds == 24 * 3600,
    "fill the ledger (200,000 requests, 2,000 MB)": (LEDGER.ledger_max_size, LEDGER.ledger_max_memory_mb)
    == (200_000, 2_000),
    "finish (125 s, longer than a call's deadline)": WorkerSettings().drain_seconds
    == 125
    > RETRY.call_deadline_seconds,
    "up to 3 attempts in each of up to 4 claims": (RETRY.retry_attempts, RETRY.queue_max_retries) == (3, 3),
    "answered 202 after 25 s": ServiceSettings().immediate_wait_seconds == 25,
    "in the last 5 minutes": ServiceSettings().keys_cache_seconds == 300,
    "in the dead letters (10,000;": KafkaSettings().dead_letters_max == 10_000,
    "from 15 s after the push": LEDGER.lost_pointer_seconds == 15,
    "| 35 to 40 s |": WorkerSettings().outbox_resend_seconds == 35,
}


@pytest.mark.parametrize("words", SAID)
def test_the_guarantees_speak_of_the_defaults(words: str) -> None:
    assert words in (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    assert SAID[words]
