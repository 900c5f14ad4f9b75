"""Runs a command that dies with its parent: `python -I leash.py PARENT COMMAND…`. Standard library only, for speed.

A supervisor that is killed with SIGKILL cannot stop its children, so on Linux the kernel is asked to. Set here, in the
child and before its exec, and not in a `preexec_fn`, which is unsafe next to threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when the parent, of this id, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            sys.exit(1)


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    die_with(parent)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command


if __name__ == "__main__":
    main()
