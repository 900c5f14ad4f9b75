"""Nothing that a caller, a model or a server wrote reaches the terminal as a command to it."""

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rich.panel import Panel
from rich.table import Table
from umpire_cli import ROOT, umpire

from access.api_key import DEFAULT_SCOPES
from access.api_keys import ApiKeys
from cli.client.compare import panel
from cli.console import _Console
from cli.visible import visible, visible_json
from contracts.encoding import dumps
from ledger import keys
from ledger.outbox import Outbox, Undelivered
from ledger.redis.connection import connect

ATTACKS = {
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "title": "\x1b]0;owned\x1b\\",
    "erase": "\x1b[2J\x1b[H",
    "C1": "\x9b2J\x9d52;c;eA==\x9c",
    "overwrite": "good\rbad \x08\x08\x7f",
    "bidi": "\u202eevil\u2066x\u2069\u200f\u061c",
    "lines": "a\x0bb\x0cc\x85d\u2028e",
}
attacks = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)


def harmless(shown: str) -> bool:
    return not [one for one in shown if one != "\n" and visible(one) != one]


def test_what_is_readable_stays_as_it_is() -> None:
    for text in ("Hej, Åsa!\n\tnext", "日本語 🙂", "می‌خواهم", "[bold]not markup[/bold]"):
        assert visible(text) == text
    assert visible("a\x1bb\u202ec\ud800") == "a\\x1bb\\u202ec\\ud800"


@attacks
def test_json_keeps_its_value(attack: str) -> None:
    text = json.dumps({attack: [attack, "å"]}, ensure_ascii=False)
    assert harmless(visible_json(text))
    assert json.loads(visible_json(text)) == {attack: [attack, "å"]}


@attacks
def test_whatever_is_printed_is_harmless(attack: str) -> None:
    screen = io.StringIO()
    console = _Console(file=screen, highlight=False)
    table = Table(attack)
    table.add_row(attack)
    for shown in (attack, table, Panel(attack), panel(_verdict(attack), {attack: attack})):
        console.print(shown, markup=False)
    assert harmless(screen.getvalue()), screen.getvalue()


def _verdict(text: str) -> dict[str, Any]:
    return {
        "winner": text, "justification": text, "provider": text, "model": text, "confidence": 5,
        "response_time_ms": 1, "token_usage": {"total_tokens": 1}, "cost_estimate": None, "metadata": {},
    }  # fmt: skip


@contextmanager
def _server(status: int, body: dict[str, Any]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _compare(url: str, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    essay = ROOT / "assessment" / "samples" / "hazel.txt"
    return umpire("compare", essay, essay, "--api", url, "--no-wait", "--data-dir", tmp_path, *options)


@attacks
def test_compare_prints_no_control_of_the_answer(attack: str, tmp_path: Path) -> None:
    problem = {"error_code": f"[bold]{attack}", "detail": attack}
    accepted = {"queue_id": attack + str(uuid4())}
    for status, body in ((200, _verdict(attack)), (503, problem), (202, accepted)):
        with _server(status, body) as url:
            for options in ((), ("--json",)):
                done = _compare(url, tmp_path, *options)
                assert "Traceback" not in done.stderr
                assert harmless(done.stdout + done.stderr), (done.stdout, done.stderr)
                assert done.stdout or done.stderr


@pytest.mark.redis
async def test_lists_print_no_control_of_what_redis_holds(redis_url: str) -> None:
    attack = "".join(ATTACKS.values()).replace("\n", "")
    redis = connect(redis_url, timeout=5)
    await ApiKeys(redis).create(attack, DEFAULT_SCOPES, (attack,), rate=None, max_queued=None, daily_cost=None)
    queue_id = str(uuid4())
    fields = {"i": queue_id, "t": attack, "k": attack, "e": dumps({"justification": attack})}
    entry = await redis.xadd(keys.OUTBOX, fields)
    await Outbox(redis, max_dead=9).undelivered([Undelivered(entry, attack, 0)])
    await redis.aclose()
    commands: list[tuple[str, ...]] = [("keys", "list"), ("outbox", "list"), ("outbox", "show", queue_id)]
    for command in [*commands, *[(*one, "--json") for one in commands]]:
        for columns in ("80", "200"):
            done = umpire(*command, UMPIRE_REDIS_URL=redis_url, COLUMNS=columns)
            assert done.returncode == 0, done.stderr
            assert harmless(done.stdout), done.stdout
            assert "52;c;cm0" in done.stdout.replace("\n", "") or columns == "80"
