"""Portkey's gateway, from npm (the package's build of it, on Node)."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.peer import Peer
from devtools.servers import CACHE, ServerMissing

VERSION = "1.15.2"
#: What the gateway itself depends on is taken as it was on this day, so that two installs are alike.
_AS_OF = "2026-11-15"
_HOME = CACHE / "peers/portkey"
_PACKAGE = _HOME / "node_modules/@portkey-ai/gateway"
_LAUNCHER = Path(__file__).with_name("portkey.cjs")
_PROCESSES = 2


def install() -> None:
    if _installed() == VERSION and shutil.which("node"):
        return
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise ServerMissing("portkey", "no node and npm on PATH")
    _HOME.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact"]
    command += [f"--before={_AS_OF}", "--prefix", str(_HOME), f"@portkey-ai/gateway@{VERSION}"]
    done = subprocess.run(command, cwd=_HOME, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise ServerMissing("portkey", f"npm failed: {done.stderr[-500:]}")


def _installed() -> str | None:
    manifest = _PACKAGE / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else None


def command(port: int, _upstream: str, _folder: Path) -> Sequence[str]:
    node = shutil.which("node") or "node"
    server = _PACKAGE / "build/start-server.js"
    return [node, str(_LAUNCHER), str(_PROCESSES), str(server), f"--port={port}", "--headless"]


def headers(upstream: str) -> Mapping[str, str]:
    return {
        "x-portkey-provider": "anthropic",
        "x-portkey-custom-host": f"{upstream}/v1",
        "Authorization": "Bearer benchmark",
    }


PORTKEY = Peer(
    name="portkey",
    version=VERSION,
    install=install,
    command=command,
    environment={"NODE_ENV": "production"},
    health="/",
    path="/v1/messages",
    headers=headers,
)
