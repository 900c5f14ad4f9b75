"""`umpire tune`, as a person runs it."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest
from umpire_cli import ROOT, UMPIRE, environment, umpire

from contracts.enums import LLMProviderType
from devtools.providers import KEY, body_of
from devtools.servers import poll
from devtools.upstream import answer, upstream

ANTHROPIC = LLMProviderType.ANTHROPIC
QUICK = ("--levels", "1,4", "--seconds", "0.3")


def test_the_mock_needs_no_yes_and_brings_a_table_two_files_and_advice(tmp_path: Path) -> None:
    done = umpire("tune", *QUICK, "--out", tmp_path, COLUMNS="80", UMPIRE_MOCK_LATENCY_MS="20")
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "saved" not in line), done.stdout
    assert re.search(r"^export UMPIRE_MOCK_CONCURRENCY=\d+$", done.stdout, re.MULTILINE)
    assert (tmp_path / "tune.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads((tmp_path / "tune.json").read_text())
    assert [level["concurrency"] for level in told["levels"]] == [1, 4]
    assert told["levels"][0]["latency"]["p50"] >= 0.02
    assert told["spent_usd"] == 0
    assert told["advice"]["settings"][0]["variable"] == "UMPIRE_MOCK_CONCURRENCY"


def test_a_provider_that_costs_money_is_not_called_without_a_yes() -> None:
    done = umpire("tune", UMPIRE_ANTHROPIC_API_KEY=KEY, UMPIRE_ANTHROPIC_BASE_URL="http://127.0.0.1:1")
    assert done.returncode == 2
    said, refused = done.stderr.splitlines()[0], done.stderr.splitlines()[-1]
    assert "Up to 500 calls to claude-haiku-5-5 of anthropic, for at most $" in said
    assert refused == "umpire: these calls cost money, and there is no terminal for a question: pass --yes"


async def test_a_no_at_the_terminal_makes_no_call() -> None:
    async with upstream(answer(500, {})) as at:
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            [*UMPIRE, "tune"],
            cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment(UMPIRE_ANTHROPIC_API_KEY=KEY, UMPIRE_ANTHROPIC_BASE_URL=at.url),
        )  # fmt: skip
        os.write(main, b"n\n")
        said, _ = process.communicate(timeout=60)
        os.close(main)
        os.close(terminal)
        assert at.calls == []
    assert process.returncode == 1
    assert said.endswith("umpire: no call was made\n")


async def test_a_whole_run_shows_neither_key_nor_essay(tmp_path: Path) -> None:
    """In a process of its own, against an upstream of this one."""
    limits = {"anthropic-ratelimit-requests-limit": "600"}
    async with upstream(answer(200, body_of(ANTHROPIC), limits)) as at:
        done = await asyncio.to_thread(
            umpire, "tune", "--yes", *QUICK, "--max-calls", 40, "--out", tmp_path,
            UMPIRE_ANTHROPIC_API_KEY=KEY, UMPIRE_ANTHROPIC_BASE_URL=at.url,
        )  # fmt: skip
        assert len(at.calls) == 40
        essay = at.calls[0]["body"]["messages"][0]["content"]
    assert done.returncode == 0, done.stderr
    assert "export UMPIRE_ANTHROPIC_RPM=600" in done.stdout
    shown = done.stdout + done.stderr + (tmp_path / "tune.json").read_text()
    assert KEY not in shown
    assert not any(line in shown for line in essay.splitlines() if len(line) > 40)


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "line"),
    [
        (("--provider", "openai"), {}, 2, "umpire: openai is not enabled; set UMPIRE_OPENAI_API_KEY"),
        (("--provider", "nobody"), {}, 2, None),
        (("--levels", "4,none"), {}, 2, "umpire: --levels takes numbers from 1 to 10000, separated by commas"),
        (("--yes",), {"UMPIRE_ANTHROPIC_API_KEY": KEY, "UMPIRE_ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}, 1,
         "umpire: anthropic could not be asked: No connection to anthropic (LLM_PROVIDER_UNAVAILABLE)"),
        (("--max-cost", "0.0001"), {"UMPIRE_ANTHROPIC_API_KEY": KEY}, 2,
         "umpire: --max-cost 0.0001 does not pay for one call: up to $0.0048"),
        (("--max-cost", "1"), {"UMPIRE_OPENROUTER_API_KEY": KEY}, 2,
         "umpire: --max-cost: the price of openai/gpt-6-luna is unknown; use --max-calls"),
        (("--yes",), {"UMPIRE_ANTHROPIC_API_KEY": KEY, "UMPIRE_ANTHROPIC_DEFAULT_MODEL": "nothing"}, 2,
         "umpire: UMPIRE_ANTHROPIC_DEFAULT_MODEL: Unknown model for anthropic"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(
    arguments: tuple[str, ...], settings: dict[str, str], code: int, line: str | None, tmp_path: Path
) -> None:
    done = umpire("tune", *arguments, "--out", tmp_path / "out", **settings)
    assert done.returncode == code, done.stderr
    assert line is None or done.stderr.splitlines()[-1] == line
    assert "Traceback" not in done.stderr
    assert KEY not in done.stderr
    assert not (tmp_path / "out").exists()


def test_ctrl_c_shows_and_writes_what_there_is(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*UMPIRE, "tune", "--levels", "1,2", "--seconds", "3", "--out", str(out)],
            cwd=ROOT, stdout=output, stderr=output, env=environment(UMPIRE_MOCK_LATENCY_MS="20"),
        )  # fmt: skip
    try:
        poll(lambda: "1 in flight" in log.read_text(), 60)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 1
    finally:
        if process.poll() is None:
            process.kill()
    said = log.read_text()
    assert said.endswith("umpire: interrupted\n")
    assert "export UMPIRE_MOCK_CONCURRENCY=" in said
    assert json.loads((out / "tune.json").read_text())["stopped"] == "interrupted"
    assert (out / "tune.png").exists()
