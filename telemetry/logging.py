"""Sets up structlog: one JSON object per line on stderr, or lines for a person to read."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType

from contracts.settings import TelemetrySettings
from telemetry.observer import Note
from telemetry.redaction import log_uncaught_exceptions, remove_exception_texts, replace_traceback


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Make the package appear not installed, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    # Documented by the import system: None stands for a module that is not found.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


# rich formats tracebacks that are never printed, and takes a tenth of the start-up. greenlet is SQLAlchemy's, and
# structlog needs it for a kind of context that is not used here.
with _missing("rich"), _missing("greenlet"):
    import structlog

#: Names that structlog itself takes or writes. A label or field with one of them is logged with `_` appended.
_OURS = frozenset({"self", "level", "event", "timestamp", "process", "exc_info", "stack_info"})

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(settings: TelemetrySettings, process: str) -> None:
    """Route structlog and the standard library's loggers (Celery, uvicorn) to stderr, in one form.

    `process` names the kind of process ("api", "worker.mock") in every line.
    """
    shared: list[structlog.typing.Processor] = [
        _with_bound,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: {**event, "process": process},
    ]
    # Colours on a terminal only: in a file or a pipe, their codes would split the words that one searches for.
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=colours)
    )
    level = _LEVELS[settings.log_level]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write for a line and its end, so that lines of several threads do not mix.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, replace_traceback, renderer],
        )
    )
    handler.addFilter(remove_exception_texts)
    log_uncaught_exceptions()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    logging.captureWarnings(True)


class LogObserver:
    """Writes each note as a log line, with its labels and fields; values of Bound are added."""

    def __init__(self, settings: TelemetrySettings) -> None:
        self._log = structlog.get_logger()
        self._least = _LEVELS[settings.log_level]

    def __call__(self, note: Note, /) -> None:
        level = _LEVELS[note.level]
        if level < self._least:
            return
        fields = {**note.labels, **note.fields}
        if note.value is not None:
            fields["value"] = round(note.value, 6)
        if not fields.keys().isdisjoint(_OURS):
            fields = {f"{name}_" if name in _OURS else name: value for name, value in fields.items()}
        with suppress(OSError):  # a full disk behind stderr: the line is lost, and the service goes on
            self._log.log(level, note.what, **fields)


#: One variable for all values, read only when a line is written. structlog's own way, one variable per value, costs a
#: worker 20 µs per comparison, which usually writes no line.
_bound: ContextVar[Mapping[str, str | None]] = ContextVar("bound", default=MappingProxyType({}))


def _with_bound(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: value for name, value in _bound.get().items() if value} | dict(event)


class Bound:
    """Binds values (queue_id, correlation_id, trace_id) to every log line written inside, in this task or thread."""

    __slots__ = ("_token", "_values")

    def __init__(self, **values: str | None) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._token = _bound.set({**_bound.get(), **self._values})

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)
