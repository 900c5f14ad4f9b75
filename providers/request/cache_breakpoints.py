"""Chooses the breakpoints of the provider's prompt cache from the caller's cacheable blocks. Pure."""

from collections.abc import Callable
from typing import Any, Literal

from contracts.enums import PromptTarget
from contracts.http import PromptBlock
from providers.base import Call

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


def prompt_parts(
    call: Call, kind: str, breakpoint_of: Callable[[Ttl], dict[str, Any]], *, cached: bool = True
) -> tuple[str | list[dict[str, Any]], str | list[dict[str, Any]]]:
    """System and user content of a call: texts, or lists of parts of type `kind` where the caller sent blocks.

    `breakpoint_of`: the fields of a part that is a breakpoint, by its cache time. `cached`: False: no breakpoints.
    """
    blocks = in_order(call.blocks)
    parts: dict[PromptTarget, list[dict[str, Any]]] = {target: [] for target in PromptTarget}
    for block, ttl in zip(blocks, breakpoints(blocks) if cached else [None] * len(blocks), strict=True):
        fields = {} if ttl is None else breakpoint_of(ttl)
        parts[block.target].append({"type": kind, "text": block.content, **fields})
    return parts[PromptTarget.SYSTEM] or call.system, parts[PromptTarget.USER_CONTENT] or call.user
