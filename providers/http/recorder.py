"""The response recorder: writes each exchange with a provider to a file, to compare adapters with the real API.

For development only; the settings refuse it in production. A thread writes the files. Exchanges that it cannot write,
or that come faster than it writes, are dropped with a log line: a call neither waits for the recorder nor fails by it.
"""

import contextlib
import os
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from secrets import token_hex
from urllib.parse import urlsplit

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.settings import DevelopmentSettings, Settings
from providers.http.recorded_exchange import Exchange, readable
from telemetry.observer import Note, Observer

#: Most exchanges that wait to be written: each may hold a whole prompt.
_WAITING = 64

#: Least seconds between two log lines about exchanges that were not written.
_LOG_SECONDS = 60.0

#: The newest files that are kept, and the age in days at which they are deleted as well.
_MAX_FILES = 1_000
_MAX_DAYS = 7.0

#: Seconds that a process waits at its end for the last files.
_CLOSE_SECONDS = 5.0

_STAMP = "%Y%m%dT%H%M%S.%fZ"
#: Names of the recorder's files, unfinished ones included. Only files with such a name are deleted.
_OURS = re.compile(r"\.?(?P<stamp>\d{8}T\d{6}\.\d{6}Z)-[\w.-]+\.json")


class Recorder:
    def __init__(
        self, settings: DevelopmentSettings, provider: LLMProviderType, keys: Iterable[str], observer: Observer
    ) -> None:
        self._settings = settings
        self._provider = provider.value
        self._keys = tuple(keys)
        self._observer = observer
        self._waiting: queue.Queue[Exchange | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._silent_until = 0.0
        warning = "EVERY PROMPT AND ANSWER IS WRITTEN TO FILES (UMPIRE_RECORD_RESPONSES); for development only"
        fields = {"provider": self._provider, "directory": str(settings.record_directory), "warning": warning}
        observer(Note("recorder.on", "warning", fields=fields))

    @contextlib.contextmanager
    def exchange(self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> Iterator[Exchange]:
        """An exchange that is recorded when the block ends, also when it ends with an exception."""
        exchange = Exchange(self._provider, utcnow(), method, url, list(headers), body)
        began = time.monotonic()
        try:
            yield exchange
        except BaseException as error:
            exchange.error = error
            raise
        finally:
            exchange.seconds = time.monotonic() - began
            self._put(exchange)

    def close(self) -> None:
        """Write the remaining files, for a few seconds at most."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=_CLOSE_SECONDS)
            thread.join(_CLOSE_SECONDS)

    def _put(self, exchange: Exchange) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(exchange)
        except queue.Full:
            self._log("the disk does not keep up")

    def _write_all(self) -> None:
        while (exchange := self._waiting.get()) is not None:
            try:
                self._write(exchange)
                self._prune()
            except Exception as error:  # noqa: BLE001 - outermost of a thread: logged, and the next one is written
                self._log(type(error).__name__ + (f" {error.strerror}" if isinstance(error, OSError) else ""))

    def _write(self, exchange: Exchange) -> None:
        directory = self._settings.record_directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{exchange.began.strftime(_STAMP)}-{self._provider}-{exchange.attempt}-{token_hex(3)}.json"
        partial = directory / f".{name}"
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(readable(exchange, self._keys).encode(errors="backslashreplace"))
            partial.rename(directory / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _prune(self) -> None:
        directory = self._settings.record_directory
        too_old = (utcnow() - timedelta(days=_MAX_DAYS)).strftime(_STAMP)
        found = [match for path in directory.iterdir() if (match := _OURS.fullmatch(path.name))]
        newest_first = sorted(found, key=lambda match: match["stamp"], reverse=True)
        for place, match in enumerate(newest_first):
            if place >= _MAX_FILES or match["stamp"] < too_old:
                (directory / match[0]).unlink(missing_ok=True)

    def _log(self, reason: str) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _LOG_SECONDS
            self._observer(Note("recorder.failed", "warning", fields={"provider": self._provider, "reason": reason}))


def make_recorder(provider: LLMProviderType, settings: Settings, observer: Observer) -> Recorder | None:
    """The recorder of a provider, or None if recording is off, so that it costs calls nothing in production."""
    if not settings.development.record_responses:
        return None
    hosted = settings.hosted.values()
    keys = [own.api_key.get_secret_value() for own in hosted if own.api_key is not None]
    keys += [urlsplit(own.base_url or "").password or "" for own in hosted]
    return Recorder(settings.development, provider, keys, observer)
