"""Starts aimock, a third-party program that simulates the providers' APIs."""

import http.client
import json
import shutil
import subprocess
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any

from devtools.servers import CACHE, Process, ServerMissing, free_port, poll

VERSION = "1.43.0"
HOME = CACHE / "aimock"
CLI = HOME / "node_modules/@copilotkit/aimock/dist/cli.js"
RECORDER = Path(__file__).with_name("aimock_recorder.cjs")


def install_aimock() -> str:
    """Into .cache/aimock; does nothing when this version is there."""
    if _installed() == VERSION:
        return f"aimock {VERSION} is in {HOME}"
    npm = shutil.which("npm")
    if npm is None:
        raise ServerMissing("aimock", "no npm on PATH")
    HOME.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            npm,
            "install",
            "--prefix",
            str(HOME),
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--save-exact",
            f"@copilotkit/aimock@{VERSION}",
        ],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise ServerMissing("aimock", f"npm failed: {done.stderr[-500:]}")
    return f"aimock {VERSION} installed in {HOME}"


def _installed() -> str | None:
    manifest = CLI.parents[1] / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else None


class Aimock:
    """One aimock. `journal()` is aimock's own view of each upstream call (its body is normalised to a chat request);
    `requests()` gives the same calls with the raw JSON body that came over the wire.
    """

    def __init__(self, *, fixtures: list[dict[str, Any]] | None = None, options: tuple[str, ...] = ()) -> None:
        node = shutil.which("node")
        if node is None:
            raise ServerMissing("aimock", "no node on PATH")
        if _installed() != VERSION:
            raise ServerMissing("aimock", "run `python -m devtools install-aimock`")
        self.directory = Path(tempfile.mkdtemp(prefix="umpire-aimock-"))
        self.port = free_port()
        self._record = self.directory / "requests.jsonl"
        source = self.directory / "fixtures.json"
        source.write_text(json.dumps({"fixtures": fixtures or []}))
        command = [node, "--require", str(RECORDER), str(CLI), "--port", str(self.port), "--fixtures", str(source)]
        command += ["--metrics", "--journal-max", "100000", "--log-level", "warn", *options]
        self.process = Process("aimock", command, self.directory / "log", {"RECORD_TO": str(self._record)})

    @property
    def url(self) -> str:
        """The root: Anthropic's and Gemini's base URL. OpenAI's is url + "/v1", OpenRouter's url + "/api/v1"."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Aimock":
        self.process.start(self._ready)
        return self

    def set_fixtures(self, fixtures: list[dict[str, Any]]) -> None:
        """These fixtures and no others, from now on; the journal stays."""
        self.control("DELETE", "fixtures")
        self.control("POST", "fixtures", {"fixtures": fixtures})

    def journal(self, **filters: str | int) -> list[dict[str, Any]]:
        """The upstream calls so far, oldest first; filters: path, method, status, limit, offset."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        entries: list[dict[str, Any]] = self.control("GET", f"journal?{query}")
        return entries

    def requests(self) -> list[dict[str, Any]]:
        """method, path, headers and raw body (parsed JSON, else text) of each upstream call that was read whole."""
        if not self._record.exists():
            return []
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    def chaos(self, **rates: float) -> None:
        """dropRate, malformedRate, rateLimitRate, disconnectRate (0–1), latencyMs; replaces what was set."""
        self.control("POST", "chaos", rates)

    def calm(self) -> None:
        """No chaos."""
        self.control("DELETE", "chaos")

    def reset(self) -> None:
        """No fixtures, no chaos, empty journal."""
        self.control("POST", "reset")
        self._record.unlink(missing_ok=True)

    def control(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, f"/__aimock/{path}", sent, {"content-type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == HTTPStatus.OK, text
        return json.loads(text)

    def await_calls(self, count: int, deadline: float = 10.0) -> list[dict[str, Any]]:
        """The journal, once it holds at least `count` calls."""
        return poll(
            lambda: entries if len(entries := self.journal()) >= count else None, deadline, what=f"{count} calls"
        )

    def discard(self) -> None:
        self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ready(self) -> bool:
        try:
            return bool(self.control("GET", "health"))
        except OSError:
            return False
