"""A peer runs with nothing of our environment, and nothing of it is left behind."""

import json
import os
import re
import signal
import sys

import psutil
import pytest

from benchmarks.events import Stuck
from benchmarks.peers import PEERS
from benchmarks.peers.group import running
from benchmarks.stack import Servers
from benchmarks.tools import Tools
from devtools.servers import ROOT, poll

#: A server of two processes, as a peer is: both ignore SIGTERM, and the first says what it was given.
SERVER = """
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    with open("said.tmp", "w") as file:
        json.dump({"child": child, "cwd": os.getcwd(), "environment": dict(os.environ)}, file)
    os.rename("said.tmp", "said.json")
time.sleep(60)
"""


@pytest.fixture
def servers():
    """The folder and the processes of a benchmark, without its Redis and Kafka."""
    made = Servers(Tools([], []), fsync="always", kafka="embedded")
    yield made
    made.__exit__()


def said(servers):
    return json.loads((servers.folder / "said.json").read_text())


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def start(servers, ready, code=SERVER):
    return running(servers, "peer", [sys.executable, "-c", code], {"GIVEN": "yes"}, ready)


def test_a_peer_sees_what_it_is_given_and_nothing_of_ours(servers, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-developers-own")
    with start(servers, (servers.folder / "said.json").exists):
        found = said(servers)
    assert os.path.realpath(found["cwd"]) == os.path.realpath(servers.folder)
    assert found["environment"].items() >= {"GIVEN": "yes", "HOME": str(servers.folder)}.items()
    assert "ANTHROPIC_API_KEY" not in found["environment"]


def test_all_processes_of_a_peer_end_with_it(servers, monkeypatch):
    monkeypatch.setattr("devtools.servers.Process.stop", lambda self, deadline: self.kill())
    with start(servers, (servers.folder / "said.json").exists) as process:
        pids = process.pid, said(servers)["child"]
    for pid in pids:
        poll(lambda pid=pid: gone(pid), what=f"{pid} gone")


def test_the_children_of_a_killed_peer_end_too(servers):
    with start(servers, (servers.folder / "said.json").exists) as process:
        child = said(servers)["child"]
        os.kill(process.pid, signal.SIGKILL)
    poll(lambda: gone(child), what="child gone")


def test_a_peer_that_ends_at_its_start_says_why(servers):
    code = "import sys; sys.exit('no such setting')"
    with pytest.raises(Stuck, match="no such setting"), start(servers, lambda: False, code):
        raise AssertionError("it never ran")


def test_versions_are_exact():
    assert {peer.name for peer in PEERS} == {"litellm", "portkey"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", peer.version) for peer in PEERS)


def test_no_file_of_the_peers_names_a_download_address():
    for path in (ROOT / "benchmarks/peers").iterdir():
        if path.is_file():
            assert not re.search(r"https?://(?!127\.0\.0\.1)", path.read_text()), path.name
