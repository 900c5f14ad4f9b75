"""The SDK's own call, alone in a process: the yardstick of the worker's CPU, and what kept connections gain."""

import json
import subprocess
import sys

from benchmarks import ROOT
from benchmarks.stack import Servers

SLOTS = 64
UPSTREAM_MS = 20.0


def bare_call(servers: Servers, *, count: int) -> dict[str, float]:
    """CPU milliseconds of a call, as many at a time as a worker has slots."""
    servers.reset(UPSTREAM_MS)
    return _calls(servers, count, SLOTS)


def reuse(servers: Servers, *, count: int) -> dict[str, float | dict[str, float]]:
    """The same calls over connections that are kept, and over one for each call, which the upstream closes.

    In the clear and on loopback: over TLS, and further away, what is gained is several round trips more.
    """
    found = {}
    for name, closing in (("kept", False), ("closed", True)):
        servers.reset(UPSTREAM_MS, closing=closing)
        many, one = _calls(servers, count, SLOTS), _calls(servers, count // 20, 1)
        found[name] = {"rate": many["rate"], "cpu_ms": many["cpu_ms"], "alone_p50_ms": one["p50_ms"]}
    kept, closed = found["kept"], found["closed"]
    return {
        **found,
        "rate_gain": kept["rate"] / closed["rate"],
        "cpu_gain": closed["cpu_ms"] / kept["cpu_ms"],
        "alone_gain_ms": closed["alone_p50_ms"] - kept["alone_p50_ms"],
    }


def _calls(servers: Servers, count: int, slots: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bare_call", servers.upstream_url, str(count), str(slots)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    return dict(json.loads(done.stdout))
