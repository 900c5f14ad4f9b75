"""The benchmarks' load client sends what it is told to, and counts every answer by its status."""

import http.server
import subprocess
import threading

import pytest
from umpire_go import go

from benchmarks.load import post, run_load
from benchmarks.tools import prepare
from devtools.servers import ServerMissing


class Recorder(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.statuses = iter([])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.send_response(next(self.server.statuses, 200))
        answer = b'{"no": "id"}'
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Pytest's output is not for this."""


@pytest.fixture
def server():
    with Recorder() as recorder:
        thread = threading.Thread(target=recorder.serve_forever)
        thread.start()
        yield recorder
        recorder.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def tools():
    go()
    return prepare()


def test_any_address_body_and_headers(tools, server, tmp_path):
    headers = {"X-One": "1: a colon", "Authorization": "Bearer benchmark"}
    result = post(
        tools, f"{server.url}/v1/messages?beta=true", b'{"a":1}', tmp_path, headers=headers, n=5, connections=2
    )
    assert (result.sent, result.accepted, result.statuses, result.started) == (5, 5, {200: 5}, {})
    assert len(server.seen) == 5
    for path, sent, body in server.seen:
        assert (path, body) == ("/v1/messages?beta=true", b'{"a":1}')
        assert sent.items() >= {"Content-Type": "application/json", **headers}.items()
        assert "Prefer" not in sent


def test_every_answer_counts_by_its_status(tools, server, tmp_path):
    server.statuses = iter([200, 429, 500, 201])
    result = post(tools, server.url, b"{}", tmp_path, headers={}, n=6, connections=1)
    assert result.statuses == {200: 3, 201: 1, 429: 1, 500: 1}
    assert (result.sent, result.accepted) == (6, 4)
    assert {path for path, _, _ in server.seen} == {"/"}


def test_umpire_is_told_not_to_wait(tools, server, tmp_path):
    run_load(tools, server.url, "topic", tmp_path, n=1, connections=1)
    ((path, sent, body),) = server.seen
    assert (path, sent["Prefer"]) == ("/api/v1/comparison", "respond-async")
    assert b'"callback_topic": "topic"' in body


def test_a_line_that_is_no_header_is_refused(tools, server, tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        post(tools, server.url, b"{}", tmp_path, headers={"": "nameless"}, n=1, connections=1)
    assert not server.seen


def test_without_go_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ServerMissing, match=r"no go on PATH.*golang-go"):
        prepare()
