"""Where the provider's prompt cache may cut: Anthropic's cache breakpoints from the caller's cacheable blocks. Pure."""

from typing import Literal

from contracts.enums import PromptTarget
from contracts.http import PromptBlock

Ttl = Literal["5m", "1h"]

#: Anthropic takes no more in one request.
MOST = 4


def in_order(blocks: tuple[PromptBlock, ...]) -> list[PromptBlock]:
    """As they are sent: the system prompt's, then the user's; within each the caller's order, which is the prompt's."""
    system = [block for block in blocks if block.target is PromptTarget.SYSTEM]
    return system + [block for block in blocks if block.target is not PromptTarget.SYSTEM]


def breakpoints(blocks: list[PromptBlock]) -> list[Ttl | None]:
    """For each block the time that the prompt up to its end is cached; None: no breakpoint there.

    Anthropic wants the longer times first. The order of the blocks is the prompt and stays; a 5m breakpoint before a
    1h one is made 1h, which costs nothing more, as the later one covers the same text. Of more than four, those asked
    to be kept longest stay, then the first ones: what is common to many prompts stands first.
    """
    last_1h = max((i for i, block in enumerate(blocks) if block.cacheable and block.ttl == "1h"), default=-1)
    asked = [i for i, block in enumerate(blocks) if block.cacheable]
    asked.sort(key=lambda i: (blocks[i].ttl != "1h", i))
    chosen = set(asked[:MOST])
    return [("1h" if i <= last_1h else "5m") if i in chosen else None for i in range(len(blocks))]
