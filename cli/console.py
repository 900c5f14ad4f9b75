"""What a person sees: colours on a terminal, plain lines elsewhere."""

import os
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from cli.visible import visible, visible_json


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """As `umpire up | head` has it. Rich would end the process here, and its stack without order."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def render_str(self, text: str, **options: Any) -> Text:
        """What every string comes to, a cell of a table and the inside of a panel too. Rich lets ESC through."""
        return super().render_str(visible(text), **options)


out = _Console(highlight=False, soft_wrap=True)
err = _Console(stderr=True, highlight=False, soft_wrap=True)


def show_json(value: bytes | str) -> None:
    """For a program to read: no wrapping, no colours. A person may look at it all the same."""
    text = value if isinstance(value, str) else value.decode()
    print(visible_json(text))  # noqa: T201


def say(text: str) -> None:
    """A line about the stack. Paths and addresses may hold brackets, which rich takes for markup."""
    show(f"[dim]umpire[/dim]  {escape(text)}")


def show(markup: str) -> None:
    """Print, where somebody still reads: a terminal that was closed must not keep a stack from its good order."""
    with suppress(OSError):
        out.print(markup)
