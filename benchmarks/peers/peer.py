"""The description of a peer, and one measurement of it."""

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import cpu
from benchmarks.events import Stuck
from benchmarks.load import LoadResult, comparison_body, post
from benchmarks.peers.group import running
from benchmarks.stack import Servers
from benchmarks.tools import Tools
from devtools.servers import free_port

MODEL = "claude-haiku-4-5"
UPSTREAM_MS = 20.0
CONNECTIONS = 64
#: Until lazy imports are done, hot paths are compiled and the connections to the upstream are open.
WARM_UP = 1000
_SECONDS = 240.0


@dataclass(frozen=True)
class Peer:
    name: str
    version: str
    #: Does nothing where this version is there; raises ServerMissing where it cannot be had.
    install: Callable[[], None]
    #: Given its port, the upstream's address and a folder for its files.
    command: Callable[[int, str, Path], Sequence[str]]
    environment: Mapping[str, str]
    #: Answers 200 once requests are served.
    health: str
    #: Where messages are taken; the same body is right in Anthropic's form and in OpenAI's.
    path: str
    #: Given the upstream's address.
    headers: Callable[[str], Mapping[str, str]]


def measure(servers: Servers, tools: Tools, peer: Peer, *, count: int) -> dict[str, Any]:
    """Raises Stuck when a request got anything but its 200, or the upstream saw another number of calls."""
    servers.reset(UPSTREAM_MS)
    calls = servers.upstream_stats()["calls"]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    headers = peer.headers(servers.upstream_url)

    def load(n: int) -> LoadResult:
        result = post(
            tools,
            url + peer.path,
            message_body(),
            servers.folder,
            headers=headers,
            n=n,
            connections=CONNECTIONS,
            seconds=_SECONDS,
        )
        if result.statuses != {200: n}:
            raise Stuck(f"{peer.name}: {n} requests, by status: {result.statuses}\n{servers.log(peer.name)}")
        return result

    command = peer.command(port, servers.upstream_url, servers.folder)
    with running(servers, peer.name, command, peer.environment, lambda: _answers(url + peer.health)) as process:
        load(WARM_UP)
        before = cpu.read({peer.name: process.pid})
        result = load(count)
        spent = cpu.per_comparison_ms(before, cpu.read({peer.name: process.pid}), count)
        servers.check_alive(process)
    calls = servers.upstream_stats()["calls"] - calls
    if calls != WARM_UP + count:
        raise Stuck(f"{peer.name}: {calls} calls of the upstream for {WARM_UP + count} requests")
    return {
        "rate": result.rate,
        "p50_ms": result.p50_ms,
        "p95_ms": result.p95_ms,
        "p99_ms": result.p99_ms,
        "cpu_ms": spent[peer.name],
        "version": peer.version,
    }


def message_body() -> bytes:
    """The call that stands for a comparison: its prompt, as the SDK alone sends it in benchmarks/bare_call.py."""
    prompt = json.loads(comparison_body("none"))["user_prompt"]
    call = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": prompt}]}
    return json.dumps(call).encode()


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False
