"""Where the provider's prompt cache may cut: cache breakpoints from the caller's cacheable blocks. Pure."""

from typing import Any, Literal

from contracts.enums import PromptTarget
from contracts.http import PromptBlock

Ttl = Literal["5m", "1h"]

#: Neither Anthropic nor OpenAI takes more in one request.
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


def explicit_content(
    blocks: tuple[PromptBlock, ...], system: str, user: str, *, kind: str, times: dict[Ttl, dict[str, str]]
) -> tuple[str | list[dict[str, Any]], str | list[dict[str, Any]]]:
    """Contents of the system and the user message for OpenAI: texts, or parts of type `kind` where there are blocks.

    `times`: what a breakpoint says of each of our times.
    """
    ordered = in_order(blocks)
    parts: dict[PromptTarget, list[dict[str, Any]]] = {target: [] for target in PromptTarget}
    for block, ttl in zip(ordered, breakpoints(ordered), strict=True):
        part: dict[str, Any] = {"type": kind, "text": block.content}
        if ttl is not None:
            part["prompt_cache_breakpoint"] = {"mode": "explicit", **times[ttl]}
        parts[block.target].append(part)
    return parts[PromptTarget.SYSTEM] or system, parts[PromptTarget.USER_CONTENT] or user
