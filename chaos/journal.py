"""The ledgers of a run: JSON lines, written as things happen. Standard library only: the checker reads them with it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: What the client was answered; what came on Kafka; what the upstream was asked; what was done to the stack.
CLIENT, KAFKA, UPSTREAM, FAULTS = "client.jsonl", "kafka.jsonl", "upstream.jsonl", "faults.jsonl"
#: The run's own figures, written before its faults begin.
RUN = "run.json"


class Book:
    """One ledger, appended to. Each line is written at once: a run that is cut short leaves what it saw."""

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
