"""Long work on the event loop, in pieces."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Items that are worked on before other requests get their turn: about a millisecond.
PIECE = 25


async def in_pieces(items: Sequence[T]) -> AsyncIterator[T]:
    """The items, with a turn for others after each PIECE of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % PIECE == 0:
            await asyncio.sleep(0)
