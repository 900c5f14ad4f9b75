"""The id of this process, kept to save a system call each time, and updated after a fork."""

import os

_pid = os.getpid()


def pid() -> int:
    return _pid


def _forked() -> None:
    global _pid  # noqa: PLW0603 - one a process
    _pid = os.getpid()


os.register_at_fork(after_in_child=_forked)
