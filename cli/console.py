"""Output for people: with colours on a terminal, plain lines elsewhere."""

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from cli.visible import visible, visible_json
from contracts.encoding import dumps


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Print nothing more, such as for `umpire up | head`. Rich would end the process without stopping its stack."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape control characters, which rich lets through. It renders all strings by this method, also in tables."""
        return super().render_str(visible(text), **options)


out = _Console(highlight=False, soft_wrap=True)
err = _Console(stderr=True, highlight=False, soft_wrap=True)


def show_json(value: Any) -> None:
    """Print JSON for a program: no wrapping, no colours. Control characters are escaped, as a person may see it too."""
    print(visible_json(dumps(value).decode()))  # noqa: T201


def report_ids(
    name: str, done: Sequence[str], named: Sequence[str], unknown: str, *, as_json: bool, hint: str = ""
) -> int:
    """Print which of the named ids were processed. Returns exit code 1 if one was not; `unknown` says why."""
    missing = sorted(set(named) - set(done))
    if as_json:
        show_json({name: done, "unknown": missing})
    else:
        out.print(f"{len(done)} {name}{hint}")
        for one in missing:
            err.print(f"{one} {unknown}", markup=False)
    return 1 if missing else 0


def say(text: str) -> None:
    """Print a line about the stack. `text` is escaped, since rich takes brackets in paths and addresses for markup."""
    show(f"[dim]umpire[/dim]  {escape(text)}")


def show(markup: str) -> None:
    """Print if possible: a closed terminal must not keep a stack from an orderly stop."""
    with suppress(OSError):
        out.print(markup)
