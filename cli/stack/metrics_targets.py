"""`umpire up --metrics-targets FILE`: writes the addresses for Prometheus to scrape, in the format of its file_sd."""

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
        """Replace the file atomically. `urls`: by part. Raises Failure if the file cannot be written."""
        groups = []
        for part, url in urls.items():
            parts = urlsplit(url)
            groups.append({"targets": [parts.netloc], "labels": {"part": part, "__metrics_path__": parts.path}})
        # The name does not end in .json, since Prometheus is often set up to read *.json of a directory.
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            partial.write_text(json.dumps(groups, indent=2) + "\n")
            partial.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise Failure(f"{self._path} cannot be written ({error.strerror}); see --metrics-targets") from error

    def remove(self) -> None:
        """Delete the file. Prometheus then drops the targets, so that an intended stop does not count as an outage."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


@contextmanager
def kept(path: Path | None) -> Iterator[MetricsTargets | None]:
    """The targets file, deleted at the end. It is first written without targets, to detect an unwritable path early."""
    if path is None:
        yield None
        return
    targets = MetricsTargets(path.absolute())
    targets.write({})
    try:
        yield targets
    finally:
        targets.remove()
