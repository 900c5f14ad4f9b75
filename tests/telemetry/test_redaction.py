"""An exception's text is in no log, wherever nobody expected it: it may quote an essay or a key."""

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from umpire_faulty import KEY
from umpire_worker import CANARY, desk

from contracts.enums import LLMProviderType
from devtools.servers import ROOT, Process, apoll, clean_environment, free_port, port_open
from telemetry.redaction import remove_exception_texts

FAULTY = ROOT / "tests/support/umpire_faulty.py"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def faulty(kind: str, tmp_path: Path, *arguments: str, **settings: str) -> Process:
    environment = {"PYTHONPATH": str(ROOT), "UMPIRE_LOG_LEVEL": "debug", **settings}
    return Process(kind, [sys.executable, str(FAULTY), kind, *arguments], tmp_path / "log", environment)


@pytest.mark.redis
@pytest.mark.kafka
async def test_a_worker_s_faults_tell_their_class_and_place(
    tmp_path: Path, redis_url: str, kafka_bootstrap: str
) -> None:
    """In a call, in the Celery task, in the producer's callback, in a thread, a callback and a task of the loop."""
    async with desk(redis_url, kafka_bootstrap) as at:
        process = faulty(
            "worker", tmp_path, **at.settings, UMPIRE_TEST_LOST_POINTER_SECONDS="1", UMPIRE_TEST_LEASE_SECONDS="2"
        )
        try:
            await asyncio.to_thread(process.start, (tmp_path / "log").exists)
            results = await at.inbox.until([await at.submit(LLMProviderType.MOCK, "fault:call")], 60)
            await apoll(
                lambda: "kafka.report_failed" in (tmp_path / "log").read_text(), 20, what="the callback's fault"
            )
        finally:
            process.stop()
        text = (tmp_path / "log").read_text()
        told = lines(tmp_path / "log")
        faults = [line for line in told if "Unexpected" in (line.get("exception"), line.get("error"))]
        assert {line["event"].partition(":")[0] for line in faults} >= {
            "umpire", "asyncio", "celery.pool", "error.unexpected", "kafka.report_failed",
        }  # fmt: skip
        assert {line["event"] for line in faults if line["event"].startswith("umpire: ")} == {
            "umpire: uncaught in a thread", "umpire: ignored",
        }  # fmt: skip
        assert all(
            any("umpire_faulty.py" in frame for frame in line.get("frames", ["umpire_faulty.py"])) for line in faults
        )
        events = "".join(result.model_dump_json() for result in results.values())
        assert KEY not in text + events
        assert CANARY not in text + events
        assert "Traceback" not in text


@pytest.mark.redis
async def test_the_api_s_faults_tell_their_class_and_place(tmp_path: Path, redis_url: str) -> None:
    port = free_port()
    settings = {
        "UMPIRE_REDIS_URL": redis_url,
        "UMPIRE_SPOOL_PATH": str(tmp_path / "spool"),
        "UMPIRE_MOCK_ENABLED": "true",
    }
    process = faulty("api", tmp_path, str(port), **settings, UMPIRE_KAFKA_BOOTSTRAP="127.0.0.1:1")
    try:
        await asyncio.to_thread(process.start, lambda: port_open(port), 60)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for fault in ("door", "ledger"):
                body = {"user_prompt": f"fault:{fault} {CANARY}", "callback_topic": "t", "processing_mode": "queue"}
                answer = await client.post("/api/v1/comparison", json=body)
                assert answer.status_code == 500
                assert answer.headers["content-type"] == "application/problem+json"
                assert CANARY not in answer.text
                assert KEY not in answer.text
    finally:
        process.stop()
    text = (tmp_path / "log").read_text()
    faults = [line for line in lines(tmp_path / "log") if line["event"] == "error.unexpected"]
    assert [line["error"] for line in faults] == ["Unexpected", "Unexpected"]
    assert "umpire_faulty.py" in faults[0]["frames"][-1]
    assert CANARY not in text
    assert KEY not in text
    assert "Traceback" not in text


def test_a_process_that_ends_by_a_fault_tells_no_more() -> None:
    code = (
        "from contracts.settings import TelemetrySettings; from telemetry.process import start_telemetry;"
        f"start_telemetry(TelemetrySettings(), 'x'); raise ValueError({KEY!r}) from KeyError({CANARY!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    told = json.loads(done.stderr)
    assert (told["event"], told["exception"]) == ("umpire: uncaught", "ValueError")
    assert KEY not in done.stderr
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    ("message", "arguments", "shown"),
    [
        ("lost %s: %s", ("redis", ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        ("failed: %r", (ValueError(KEY),), "failed: <class 'str'>".replace("<class 'str'>", "'ValueError'")),
        ("%(what)s failed", ({"what": RuntimeError(KEY)},), "RuntimeError failed"),
        ("nothing to say", (), "nothing to say"),
    ],
)
def test_an_exception_among_a_line_s_values(message: str, arguments: tuple[object, ...], shown: str) -> None:
    """Of what a server or the system said, an operator needs the text; of a fault, the class."""
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, message, arguments, None)
    assert remove_exception_texts(record)
    assert shown in record.getMessage()
    assert KEY not in record.getMessage()


def test_a_warning_is_a_line_of_the_log_that_quotes_nothing() -> None:
    """Pydantic's quotes the value that it is about."""
    code = f"""
import warnings
from contracts.events import TokenUsage
from contracts.settings import TelemetrySettings
from telemetry.process import start_telemetry

start_telemetry(TelemetrySettings(), "x")
TokenUsage.model_construct(prompt_tokens={CANARY!r}).model_dump_json()
warnings.warn("it's old, use another: {KEY}", UserWarning)
warnings.warn("not b'{KEY}'", UserWarning)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    first, second, third = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert "UserWarning: Pydantic serializer warnings" in first
    assert second == "<string>:9: UserWarning: it's old, use another"
    assert third == "<string>:10: UserWarning: not b"
    assert CANARY not in done.stderr
    assert KEY not in done.stderr
