"""asyncio.timeout that is armed only if the coroutine suspends: cheaper where most of them do not."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def lazy_timeout(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Await `work` under asyncio.timeout, which begins when `work` first suspends.

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
    """`yield from work` (PEP 380), from its second step on."""
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
            fault = None  # its traceback refers to this frame: a cycle that would keep alive what `work` holds
