"""The results of one run of `umpire tune`, and the two files with them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.tune.advice import Advice, Quota
from cli.tune.level import LoadLevel
from contracts.encoding import dumps
from contracts.enums import LLMProviderType


@dataclass(frozen=True, slots=True)
class TuneReport:
    provider: LLMProviderType
    model: str
    levels: Sequence[LoadLevel]
    #: Why the sweep ended before its last level; empty: it was complete.
    stopped: str
    calls: int
    #: USD; None: unknown.
    spent: float | None
    quota: Quota
    advice: Advice | None

    @property
    def base_seconds(self) -> float | None:
        """Median seconds of a call with the fewest calls in flight: the W of the ideal rate N / W. None: no verdict."""
        return next((level.latency.p50 for level in self.levels if level.latency), None)

    def write(self, folder: Path) -> list[Path]:
        """Write tune.json and, if anything was measured, tune.png. Returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / "tune.json"]
        files[0].write_bytes(dumps(self.as_json()) + b"\n")
        if self.base_seconds:
            from cli.tune.plot import plot  # matplotlib costs half a second

            files.append(plot(self, folder / "tune.png"))
        return files

    def as_json(self) -> dict[str, Any]:
        content = {
            "provider": self.provider.value,
            "model": self.model,
            "levels": [asdict(level) for level in self.levels],
            "stopped": self.stopped or None,
            "calls": self.calls,
            "spent_usd": self.spent,
            "quota": asdict(self.quota),
            "advice": None,
        }
        if self.advice:
            content["advice"] = asdict(self.advice) | {"knee": self.advice.knee.concurrency}
        return content
