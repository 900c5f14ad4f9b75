"""A separate network for the run, so that one worker can be partitioned without closing a connection.

The run executes itself again in a network namespace. The worker is in another namespace, behind a bridge. A cut removes
its virtual cable from the bridge: packets are lost, no connection is closed, no link goes down. If the machine allows
no namespaces, partitions are left out, and the report says so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

#: Address of the servers on the loopback interface, which the other namespace reaches through the bridge.
HOST = "10.77.0.1"
_BRIDGE, _WORKER = "10.77.1.1", "10.77.1.2"

#: Set in the process that runs in its own namespace.
_INSIDE = "CHAOS_NETWORK"

#: Without root, inside a user namespace.
_WAYS = (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"])


def enter_own_network() -> None:
    """Execute this command again in a new network namespace; return if the machine allows none."""
    if _INSIDE in os.environ or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return
    for way in _WAYS:
        trial = "ip link set lo up && ip link add chaosbr type bridge && ip link add chaos0 type veth peer name chaos1"
        if subprocess.run([*way, "sh", "-c", trial], capture_output=True, check=False).returncode == 0:
            os.environ[_INSIDE] = "own"
            os.execvp(way[0], [*way, sys.executable, "-m", "chaos", *sys.argv[1:]])


class Network:
    def __init__(self) -> None:
        self._holder: subprocess.Popen[bytes] | None = None
        self.can_cut = os.environ.get(_INSIDE) == "own"
        self.host = HOST if self.can_cut else "127.0.0.1"

    def start(self) -> None:
        if not self.can_cut:
            return
        _ip("link set lo up", f"addr add {HOST}/32 dev lo")
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        ours = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == ours:
            time.sleep(0.01)
        _ip(
            "link add chaosbr type bridge forward_delay 0",
            f"addr add {_BRIDGE}/30 dev chaosbr",
            "link set chaosbr up",
            "link add chaos0 type veth peer name chaos1",
            f"link set chaos1 netns {self._holder.pid}",
            "link set chaos0 up master chaosbr",
        )
        for line in (
            "link set lo up",
            f"addr add {_WORKER}/30 dev chaos1",
            "link set chaos1 up",
            f"route add default via {_BRIDGE}",
        ):
            subprocess.run(self.behind_the_bridge(["ip", *line.split()]), check=True)

    def behind_the_bridge(self, command: Sequence[str]) -> list[str]:
        """The command, to run in the worker's namespace."""
        return list(command) if self._holder is None else ["nsenter", "-t", str(self._holder.pid), "-n", *command]

    def cut(self) -> None:
        _ip("link set chaos0 nomaster")

    def join(self) -> None:
        _ip("link set chaos0 master chaosbr")

    def close(self) -> None:
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait()


def _ip(*lines: str) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)
