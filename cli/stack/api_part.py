"""The API as a part of a stack: one process, or the supervisor of several (`umpire api --processes N`)."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import httpx2

from cli.serve.api import API_SLACK_SECONDS
from cli.supervise.children import umpire
from cli.supervise.files import read_pids
from cli.supervise.part import Launch, StackPart
from cli.supervise.ports import url_of
from contracts.settings import Settings

_FOLLOW_SECONDS = 0.25
_ANSWER_SECONDS = 2.0


class ApiPart:
    def __init__(
        self,
        settings: Settings,
        server: socket.socket,
        directory: Path,
        environment: Callable[[], dict[str, str]],
        make: Callable[..., StackPart],
    ) -> None:
        """`directory`: the stack's data directory; `make`: makes a Part from a name, a launch and a readiness check."""
        self.url = url_of(server)
        self._server = server
        self._processes = settings.service.api_processes
        self._environment = environment
        self._pids_file = directory / "api.pids"
        grace = settings.service.immediate_wait_seconds + API_SLACK_SECONDS
        self.part = make("api", self._launch, self._ready, grace=grace)

    @property
    def pids(self) -> list[int]:
        """Ids of the serving processes. If there are several, the part's process is their supervisor."""
        if self.part.pid is None:
            return []
        return [self.part.pid] if self._processes == 1 else read_pids(self._pids_file)

    async def follow(self, say: Callable[[str], None], changed: Callable[[], None]) -> NoReturn:
        """Watch the process ids for ever: call `changed` when they change, and `say` when a process was replaced."""
        known = self.pids
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            if (now := self.pids) == known:
                continue
            gone, new = sorted({*known} - {*now}), sorted({*now} - {*known})
            if gone and new and self._processes > 1:
                ended, begun = (", ".join(map(str, pids)) for pids in (gone, new))
                say(f"API process {ended} ended; {begun} took its place")
            known = now
            changed()

    def _launch(self) -> Launch:
        self._pids_file.unlink(missing_ok=True)
        descriptor = self._server.fileno()
        options = ("--descriptor", str(descriptor), "--processes", str(self._processes))
        command = umpire("api", *options, "--pids-file", str(self._pids_file))
        return Launch(command, self._environment(), (descriptor,))

    async def _ready(self) -> bool:
        return bool(self.pids) and await answers_ok(f"{self.url}/healthz")


async def answers_ok(url: str) -> bool:
    """Whether a GET of a server on this machine is answered with success."""
    try:
        async with httpx2.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False, verify=False) as client:
            return (await client.get(url)).is_success
    except httpx2.HTTPError:
        return False
