"""No exception's text in a log: it may quote what was being handled, an essay or a key among it.

Our own code tells faults by `telemetry.fault`. This is for everybody else's lines, since Celery and asyncio put an
exception's text into their messages, and for what nobody caught at all.
"""

import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any

from telemetry.fault import locations
from telemetry.lean_structlog import structlog

#: What a line says before it comes to values: a template's beginning, or that of a text that was put together.
#: An apostrophe is one of its own words' only in a contraction: others begin a quotation.
_WORDS = re.compile(r"(?:[^\n('\"<\[{%:]|(?<=[A-Za-z]{2})'(?=[a-z]{1,2}\b))*")

#: What `logging.captureWarnings` logs: path, line, class and message, then the line of source.
_WARNING = re.compile(r"(?:[^\n]*/)?(?P<place>[^/\n]+:\d+: \w+): (?P<message>.*)")

#: Libraries whose errors tell of connections and servers, which an operator needs to read, and of nothing that we sent.
_OF_SERVERS = ("redis.", "kombu.", "amqp.")


def without_texts(record: logging.LogRecord) -> bool:
    """A logging filter that lets every record pass, and takes texts of exceptions out of it."""
    if record.exc_info and record.exc_info[1] is not None:
        words = _WORDS.match(str(record.msg))
        record.msg, record.args = f"{record.name}: {words[0].strip() if words else ''}", ()
    elif record.name == "py.warnings":
        record.msg, record.args = _beginning_of_warning(record.getMessage()), ()
    elif isinstance(record.args, dict):
        record.args = {name: _told(value) for name, value in record.args.items()}
    elif record.args:
        record.args = tuple(_told(value) for value in record.args)
    return True


def exception_told(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor: an exception's class and locations, instead of its traceback."""
    info = event.pop("exc_info", None)
    if isinstance(info, tuple) and info[0] is not None:
        event["exception"] = info[0].__name__
        event.update(locations(info[2]))
        if isinstance(info[1], OSError) and info[1].strerror:
            event["reason"] = info[1].strerror
    return event


def _beginning_of_warning(text: str) -> str:
    """Its place, its class and its first words: pydantic's, for one, goes on with the value that it is about."""
    warned = _WARNING.match(text)
    if warned is None:
        return "a warning"
    words = _WORDS.match(warned["message"])
    return f"{warned['place']}: {words[0].strip() if words else ''}"


def catch_the_uncaught() -> None:
    """What would be a traceback on stderr becomes a line of the log like any other."""
    sys.excepthook = _of_the_process
    threading.excepthook = lambda told: _log("uncaught in a thread", told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _log("ignored", told.exc_type, told.exc_value, told.exc_traceback)


def _of_the_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _log("uncaught", kind, error, trace)


def _log(what: str, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    logging.getLogger("umpire").critical(what, exc_info=(kind, error or kind(), trace))


def _told(value: Any) -> Any:
    if not isinstance(value, BaseException) or isinstance(value, OSError):
        return value
    kind = type(value)
    return value if kind.__module__.startswith(_OF_SERVERS) else kind.__name__
