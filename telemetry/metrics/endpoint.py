"""The metrics port: serves GET /metrics, /healthz and /readyz in a thread."""

import json
import socket
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Protocol

from telemetry.metrics.metrics import ProcessState


class Source(Protocol):
    """What is served: such as Metrics."""

    content_type: str

    def render(self) -> bytes: ...
    def processes(self) -> Iterable[ProcessState]: ...


def serve(source: Source, host: str, port: int) -> int:
    """Returns the port, which the system chooses if `port` is 0. Raises OSError if it is taken."""
    listening = socket.create_server((host, port))
    serve_on(source, listening)
    return int(listening.getsockname()[1])


def serve_on(source: Source, listening: socket.socket) -> None:
    """Serve on a socket that listens already, until this process ends."""
    handler = type("Handler", (_Handler,), {"source": source})
    server = ThreadingHTTPServer(listening.getsockname()[:2], handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    source: Source
    #: Seconds after which a client that sends nothing is disconnected.
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in {"/", "/metrics"}:
            self._answer(200, self.source.render(), self.source.content_type)
        elif path in {"/healthz", "/readyz"}:
            self._answer_state(ready=path == "/readyz")
        else:
            self._answer(404, b'{"status":"not found"}', "application/json")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _answer_state(self, *, ready: bool) -> None:
        """Alive: no running process hangs. Ready: each process runs and is ready."""
        states = list(self.source.processes())
        bad = [one.name for one in states if (one.runs and one.hangs) or (ready and not one.ready)]
        status = ("not ready" if ready else "hangs") if bad or not states else ("ready" if ready else "alive")
        body = {"status": status, "processes": {one.name: one.name not in bad for one in states}}
        self._answer(503 if bad or not states else 200, json.dumps(body).encode(), "application/json")

    def _answer(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged: there is a scrape every few seconds."""

    def version_string(self) -> str:
        return "umpire"
