"""Runs the load client, and reads its results."""

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assessment.samples import TOPIC, load_samples
from benchmarks import ROOT
from benchmarks.events import Stuck
from benchmarks.tools import Tools

#: A client that hangs is killed this long after its own deadline.
_SLACK_SECONDS = 15.0


@dataclass(frozen=True)
class LoadResult:
    sent: int
    accepted: int
    seconds: float
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_seconds: float
    #: HTTP status → number of answers; 0: no answer.
    statuses: dict[int, int]
    #: Queue id → when the request was due, ns since the epoch.
    started: dict[str, int]
    #: For each request: when it was due (ns since the epoch), and the time from then to its answer (ns).
    took: list[tuple[int, int]]

    def all_accepted(self, count: int) -> None:
        """Raises Stuck if not all requests were accepted: the figures would mean something else."""
        if self.accepted != count or len(self.started) != count:
            raise Stuck(f"{self.accepted} accepted of {count}; by status: {self.statuses}")

    def latencies_ms(self, *, after: float) -> list[float]:
        """Latencies of the requests that were due more than `after` seconds after the first one."""
        first = min(due for due, _ in self.took)
        return [took / 1e6 for due, took in self.took if due - first >= after * 1e9]


def comparison_body(topic: str, **fields: Any) -> bytes:
    """A real comparison: two of the sample essays, some 2.5 kB."""
    essays = list(load_samples().values())
    prompt = (
        f"Which essay is better? The students were asked: {TOPIC}\n\nEssay A:\n{essays[0]}\n\nEssay B:\n{essays[1]}"
    )
    metadata = {"essay_a_id": "alder", "essay_b_id": "ash"}
    return json.dumps({"user_prompt": prompt, "callback_topic": topic, "metadata": metadata, **fields}).encode()


def run_load(
    tools: Tools,
    url: str,
    topic: str,
    folder: Path,
    *,
    n: int,
    connections: int,
    rate: float = 0.0,
    seconds: float = 60.0,
    fields: Mapping[str, Any] | None = None,
) -> LoadResult:
    """Comparisons to umpire. `rate` 0 is a closed loop; else requests a second, each timed from when it was due."""
    return post(
        tools,
        f"{url}/api/v1/comparison",
        comparison_body(topic, **(fields or {})),
        folder,
        headers={"Prefer": "respond-async"},
        n=n,
        connections=connections,
        rate=rate,
        seconds=seconds,
    )


def post(
    tools: Tools,
    url: str,
    body: bytes,
    folder: Path,
    *,
    headers: Mapping[str, str],
    n: int,
    connections: int,
    rate: float = 0.0,
    seconds: float = 60.0,
) -> LoadResult:
    """The same request to any address, `n` times."""
    body_file, out = folder / "body.json", folder / "requests.txt"
    body_file.write_bytes(body)
    command = [*tools.load, "-url", url, "-body", str(body_file), "-out", str(out)]
    command += ["-n", str(n), "-connections", str(connections), "-rate", str(rate), "-seconds", str(seconds)]
    for name, value in headers.items():
        command += ["-header", f"{name}: {value}"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=seconds + _SLACK_SECONDS, check=True, cwd=ROOT
    )
    started, took = {}, []
    statuses: Counter[int] = Counter()
    for line in out.read_text().splitlines():
        start, its, status, *queue_id = line.split(" ")
        took.append((int(start), int(its)))
        statuses[int(status)] += 1
        if status.startswith("2") and queue_id[0]:
            started[queue_id[0]] = int(start)
    return LoadResult(**json.loads(done.stdout), statuses=dict(statuses), started=started, took=took)
