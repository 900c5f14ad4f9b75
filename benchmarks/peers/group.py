"""A server with all its processes: a group that ends as a whole, also when its first process was killed."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.events import Stuck
from benchmarks.stack import Servers
from devtools.servers import Process, poll

_ENTER = Path(__file__).with_name("enter.py")
#: LiteLLM imports for some ten seconds, on a busy machine for a minute.
_START_SECONDS = 120.0


@contextmanager
def running(
    servers: Servers, name: str, command: Sequence[str], environment: Mapping[str, str], ready: Callable[[], object]
) -> Iterator[Process]:
    """Raises Stuck, with the end of its log, when it does not get ready."""
    entry = [sys.executable, "-I", str(_ENTER), str(servers.folder), json.dumps(dict(environment))]
    process = servers.process(name, [*entry, *command])
    process.start(lambda: process.running)
    group = process.pid
    try:
        try:
            poll(lambda: ready() or not process.running, _START_SECONDS, what=f"{name} ready")
        except AssertionError as error:
            raise Stuck(f"{error}:\n{servers.log(name)}") from error
        servers.check_alive(process)
        yield process
    finally:
        process.stop(deadline=10)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
