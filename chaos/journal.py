"""The journals of a run: JSON lines, written as things happen. Standard library only, as the checker uses it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Answers to the client; events on Kafka; calls of the upstream; faults and signals.
CLIENT, KAFKA, UPSTREAM, FAULTS = "client.jsonl", "kafka.jsonl", "upstream.jsonl", "faults.jsonl"
#: Seed, start and timing of the run, written before its faults begin.
RUN = "run.json"


class Journal:
    """A file to append to. Each line is written at once, so that an interrupted run keeps its lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def write(self, **entry: Any) -> None:
        self._file.write(json.dumps({"at": time.time(), **entry}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
