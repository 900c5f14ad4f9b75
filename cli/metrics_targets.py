"""`umpire up --metrics-targets FILE`: the addresses that Prometheus is to scrape, in the form of its file_sd."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from cli.failure import Failure


class MetricsTargets:
    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, urls: Mapping[str, str]) -> None:
        """`urls`: by part. A reader sees all of it or what was there before. Raises Failure."""
        groups = []
        for part, url in urls.items():
            parts = urlsplit(url)
            groups.append({"targets": [parts.netloc], "labels": {"part": part, "__metrics_path__": parts.path}})
        # It does not end in .json: Prometheus is often told to read *.json of a directory.
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            partial.write_text(json.dumps(groups, indent=2) + "\n")
            partial.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise Failure(f"{self._path} cannot be written ({error.strerror}); see --metrics-targets") from error

    def remove(self) -> None:
        """Prometheus then drops the targets: a stack that was stopped on purpose is not down."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


@contextmanager
def kept(path: Path | None) -> Iterator[MetricsTargets | None]:
    """Written at once, without targets, so that a path that cannot be written is found before anything starts."""
    if path is None:
        yield None
        return
    targets = MetricsTargets(path.absolute())
    targets.write({})
    try:
        yield targets
    finally:
        targets.remove()
