"""stack.json of a stack that runs: written whenever something changes, and again where its disk was full."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from cli.datadir import STACK_FILE, DataDirectory

#: How often a file that could not be written is tried again, in seconds.
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
        """Between start and stop only. A stack whose disk is full goes on, with a file that is not up to date."""
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
