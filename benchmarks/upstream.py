"""Controls the benchmarks' upstream over HTTP, and reads its counters."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


class Upstream:
    def __init__(self, url: str) -> None:
        self.url = url

    def behave(
        self,
        ms: float,
        *,
        sd_ms: float = 0.0,
        limit: Mapping[str, str | int] | None = None,
        closing: bool = False,
    ) -> None:
        """Set its behaviour from now on: mean and standard deviation of its delay in ms; `limit` as in
        go/upstream/limits.go; `closing`: it closes the connection after each answer.
        """
        self._post("delay", {"is": f"{ms}ms", "sd": f"{sd_ms}ms"})
        self._post("limit", limit or {})
        self._post("close", {"is": str(closing).lower()})

    def stats(self) -> dict[str, Any]:
        """The counters of go/upstream/counts.go."""
        with urllib.request.urlopen(f"{self.url}/stats", timeout=5) as answer:
            return dict(json.load(answer))

    def count(self, *names: str) -> list[float]:
        """These counters, in this order."""
        stats = self.stats()
        return [stats[name] for name in names]

    def _post(self, path: str, query: Mapping[str, str | int]) -> None:
        with urllib.request.urlopen(f"{self.url}/{path}?{urlencode(query)}", data=b"", timeout=5):
            pass
