"""A timeout for what mostly need not wait."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def within(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """As `work` under asyncio.timeout, which is only begun where `work` waits for something.

    Raises TimeoutError.
    """
    try:
        awaited = work.send(None)
    except StopIteration as end:
        result: ResultT = end.value
        return result
    async with asyncio.timeout(seconds):
        return await _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, ResultT], awaited: Any) -> Generator[Any, Any, ResultT]:
    """`yield from work`, of which the first step is made (PEP 380)."""
    while True:
        fault: BaseException | None = None
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 - `work` is to see it
            fault = error
        try:
            awaited = work.send(sent) if fault is None else work.throw(fault)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        finally:
            fault = None  # its traceback leads here: a ring that would keep alive what `work` holds
