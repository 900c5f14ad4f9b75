"""How the upstream is told what to do, and asked what it saw."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from benchmarks.tools import Tools


class Lacking(Exception):
    """A case needs what this machine's tools do not have: it is left out, and this says why."""


class Upstream:
    def __init__(self, url: str, tools: Tools) -> None:
        self.url = url
        #: The one in Python answers after a fixed delay, and does nothing else.
        self._able = tools.language == "go"

    def behave(
        self,
        ms: float,
        *,
        sd_ms: float = 0.0,
        limit: Mapping[str, str | int] | None = None,
        closing: bool = False,
    ) -> None:
        """How it is from now on. `limit` is as go/upstream/limits.go has it; raises Lacking where that is not there."""
        if not self._able:
            if sd_ms or limit or closing:
                raise Lacking("the upstream in Python knows no spread and no limits; it needs go on PATH")
            self._post("delay", {"is": f"{ms}ms"})
            return
        self._post("delay", {"is": f"{ms}ms", "sd": f"{sd_ms}ms"})
        self._post("limit", limit or {})
        self._post("close", {"is": str(closing).lower()})

    def stats(self) -> dict[str, Any]:
        """What go/upstream/counts.go says; `calls`, `in_flight` and `peak` from the one in Python."""
        with urllib.request.urlopen(f"{self.url}/stats", timeout=5) as answer:
            return dict(json.load(answer))

    def count(self, *names: str) -> list[float]:
        """Of its stats. Raises Lacking where it does not count them."""
        stats = self.stats()
        if not stats.keys() >= set(names):
            raise Lacking(f"the upstream in Python does not count {', '.join(names)}; it needs go on PATH")
        return [stats[name] for name in names]

    def _post(self, path: str, query: Mapping[str, str | int]) -> None:
        with urllib.request.urlopen(f"{self.url}/{path}?{urlencode(query)}", data=b"", timeout=5):
            pass
