"""Two gateways that people use, beside umpire: same run, same upstream, same load client. `python -m benchmarks.peers`.

Both make one call of the provider for a request and answer with it: no queue, no durability, no events. So their rate
is to be held against that of umpire from a request to its event, and tells what those cost. A closed loop of 64, the
prompt of the other benchmarks, upstream 20 ms; nobody asks for an API key. CPU is that of all processes of a gateway.
Each runs with what its makers advise for production, where that is fast, and otherwise with what was fastest here:

- LiteLLM proxy 1.108.7 (PyPI, with all it needs locked by hash): two uvicorn workers, one a core, on uvloop and on
  httptools, which it does not install itself; LITELLM_MODE=PRODUCTION, log level ERROR, no callbacks, no retries, no
  database, nothing fetched (LITELLM_OFFLINE_MODE), aiohttp to the upstream (its default); /v1/chat/completions.
- Portkey gateway 1.15.2 (npm, the build in the package): two processes by Node's cluster, NODE_ENV=production, without
  its console (--headless); Anthropic's own /v1/messages, which it need not translate. x-portkey-custom-host names the
  upstream, and it trusts loopback hosts by default. It would listen on every address: portkey.cjs holds it to loopback.
"""

from typing import Any

from benchmarks.peers.litellm import LITELLM
from benchmarks.peers.peer import measure
from benchmarks.peers.portkey import PORTKEY
from benchmarks.stack import Servers
from benchmarks.tools import Tools
from devtools.servers import ServerMissing

PEERS = (LITELLM, PORTKEY)


def peers(servers: Servers, tools: Tools, *, count: int) -> dict[str, Any]:
    """What each does in `count` requests; one that cannot be installed is left out, and the reason printed."""
    found: dict[str, Any] = {}
    for peer in PEERS:
        try:
            peer.install()
        except ServerMissing as missing:
            print(f"left out: {missing}", flush=True)
            continue
        found[peer.name] = measure(servers, tools, peer, count=count)
    return found
