"""Keeps stack.json of a running stack up to date: writes it on each change, and tries again if the disk was full."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from cli.stack.data_directory import STACK_FILE, DataDirectory

#: Seconds until the next try after the file could not be written.
_AGAIN_SECONDS = 2.0


class StackFile:
    def __init__(
        self, directory: DataDirectory, describe: Callable[[], Mapping[str, Any]], say: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._describe = describe
        self._say = say
        self._told = False
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._told = True
        self.tell()

    def stop(self) -> None:
        self._told = False
        self._directory.forget()

    def tell(self) -> None:
        """Write the file, between `start` and `stop` only. On a full disk the stack goes on with an outdated file."""
        if not self._told:
            return
        failing = self._again is not None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        try:
            self._directory.tell(self._describe())
        except OSError as error:
            if not failing:
                self._say(f"{STACK_FILE} cannot be written ({error.strerror}); this is tried again until it can")
            self._again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self.tell)
