"""What a person sees: colours on a terminal, plain lines elsewhere."""

import os
from contextlib import suppress

from rich.console import Console
from rich.markup import escape


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """As `umpire up | head` has it. Rich would end the process here, and its stack without order."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


out = _Console(highlight=False, soft_wrap=True)
err = _Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line about the stack. Paths and addresses may hold brackets, which rich takes for markup."""
    show(f"[dim]umpire[/dim]  {escape(text)}")


def show(markup: str) -> None:
    """Print, where somebody still reads: a terminal that was closed must not keep a stack from its good order."""
    with suppress(OSError):
        out.print(markup)
