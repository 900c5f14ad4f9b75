"""Sends Celery's own log lines through the process' log, like all others."""

import logging

from celery import signals
from celery.apps import worker

#: At level info these loggers write two lines a task, which only say that it was handed over.
_EACH_TASK = ("celery.worker.strategy", "celery.app.trace")


def keep_our_logging() -> None:
    """Keep Celery from setting up loggers, and from writing to stdout without them. Call this before a worker is made,
    and after telemetry.logging.configure_logging.
    """
    # Celery leaves the set-up of logging to the receiver of this signal, if there is one.
    signals.setup_logging.connect(_set_up_already, weak=False)
    # Celery writes "worker: Warm shutdown" to stdout itself, from a signal handler, in which no logger may be used. The
    # note `worker.stopping` says the same. tests/telemetry/test_log_lines.py checks that nothing else is written.
    worker.safe_say = lambda *_: None  # type: ignore[attr-defined]


def _set_up_already(**_: object) -> None:
    for name in _EACH_TASK:
        logging.getLogger(name).setLevel(logging.WARNING)
