"""Keeps texts of exceptions out of the log: they may quote what was being handled, such as an essay or a key.

Our own code logs errors with `telemetry.fault`. This module is for log lines of libraries, since Celery and asyncio put
an exception's text into their messages, and for uncaught exceptions.
"""

import logging
import re
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

from telemetry.fault import locations

#: The beginning of a message up to its first value, for templates and for formatted texts. An apostrophe belongs to
#: it only in a contraction: any other begins a quotation.
_WORDS = re.compile(r"(?:[^\n('\"<\[{%:]|(?<=[A-Za-z]{2})'(?=[a-z]{1,2}\b))*")

#: What `logging.captureWarnings` logs: path, line, class and message, then the line of source.
_WARNING = re.compile(r"(?:[^\n]*/)?(?P<place>[^/\n]+:\d+: \w+): (?P<message>.*)")

#: Libraries whose errors are logged with their texts: they describe connections and servers, never what we sent.
_OF_SERVERS = ("redis.", "kombu.", "amqp.")


def remove_exception_texts(record: logging.LogRecord) -> bool:
    """A logging filter that lets every record pass, and removes texts of exceptions from it."""
    if record.exc_info and record.exc_info[1] is not None:
        words = _WORDS.match(str(record.msg))
        record.msg, record.args = f"{record.name}: {words[0].strip() if words else ''}", ()
    elif record.name == "py.warnings":
        record.msg, record.args = _beginning_of_warning(record.getMessage()), ()
    elif isinstance(record.args, dict):
        record.args = {name: _without_text(value) for name, value in record.args.items()}
    elif record.args:
        record.args = tuple(_without_text(value) for value in record.args)
    return True


def replace_traceback(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that logs an exception's class and locations instead of its traceback."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[0] is not None:
        event["exception"] = info[0].__name__
        event.update(locations(info[2]))
        if isinstance(info[1], OSError) and info[1].strerror:
            event["reason"] = info[1].strerror
    return event


def _beginning_of_warning(text: str) -> str:
    """Its place, class and first words only: pydantic's warnings, for example, continue with the value."""
    warned = _WARNING.match(text)
    if warned is None:
        return "a warning"
    words = _WORDS.match(warned["message"])
    return f"{warned['place']}: {words[0].strip() if words else ''}"


def log_uncaught_exceptions() -> None:
    """Log uncaught exceptions as ordinary lines, instead of tracebacks on stderr."""
    sys.excepthook = _of_the_process
    threading.excepthook = lambda args: _log("uncaught in a thread", args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _log("ignored", args.exc_type, args.exc_value, args.exc_traceback)


def _of_the_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _log("uncaught", kind, error, trace)


def _log(what: str, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logging.getLogger("umpire").critical(what, exc_info=(kind, error or kind(), trace))


def _without_text(value: Any) -> Any:
    if not isinstance(value, BaseException) or isinstance(value, OSError):
        return value
    kind = type(value)
    return value if kind.__module__.startswith(_OF_SERVERS) else kind.__name__
