"""What a person sees: colours on a terminal, plain lines elsewhere."""

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line about the stack. Paths and addresses may hold brackets, which rich takes for markup."""
    out.print(f"[dim]umpire[/dim]  {escape(text)}")
