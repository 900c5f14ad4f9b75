"""Chooses the breakpoints of the provider's prompt cache from the caller's cacheable blocks. Pure."""

from typing import Any, Literal

from contracts.enums import PromptTarget
from contracts.http import PromptBlock

Ttl = Literal["5m", "1h"]

#: Most breakpoints in one request: the limit of both Anthropic and OpenAI.
MOST = 4


def in_order(blocks: tuple[PromptBlock, ...]) -> list[PromptBlock]:
    """The blocks in the order of sending: the system prompt's, then the user prompt's, each in the caller's order."""
    system = [block for block in blocks if block.target is PromptTarget.SYSTEM]
    return system + [block for block in blocks if block.target is not PromptTarget.SYSTEM]


def breakpoints(blocks: list[PromptBlock]) -> list[Ttl | None]:
    """For each block, how long the prompt up to the block's end is cached; None: no breakpoint there.

    Anthropic requires longer times before shorter ones. The blocks keep their order; instead a 5m breakpoint before a
    1h one becomes 1h, which costs nothing extra, since the later one covers the same text. Of more than four, the 1h
    breakpoints are kept before the 5m ones, and earlier before later ones: text common to many prompts comes first.
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

    `times`: the fields of a breakpoint for each of our cache times.
    """
    ordered = in_order(blocks)
    parts: dict[PromptTarget, list[dict[str, Any]]] = {target: [] for target in PromptTarget}
    for block, ttl in zip(ordered, breakpoints(ordered), strict=True):
        part: dict[str, Any] = {"type": kind, "text": block.content}
        if ttl is not None:
            part["prompt_cache_breakpoint"] = {"mode": "explicit", **times[ttl]}
        parts[block.target].append(part)
    return parts[PromptTarget.SYSTEM] or system, parts[PromptTarget.USER_CONTENT] or user
