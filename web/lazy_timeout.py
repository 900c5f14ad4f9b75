"""asyncio.timeout that is armed only if the coroutine suspends: cheaper where most of them do not."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def lazy_timeout(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Await `work` under asyncio.timeout, which begins when `work` first suspends. Raises TimeoutError."""
    try:
        awaited = work.send(None)
    except StopIteration as end:
        result: ResultT = end.value
        return result
    async with asyncio.timeout(seconds):
        return await _resume(work, awaited)


@coroutine
def _resume(work: Coroutine[Any, Any, ResultT], awaited: Any) -> Generator[Any, Any, ResultT]:
    """`yield from work` (PEP 380), from its second step on."""
    while True:
        thrown: BaseException | None = None
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 - passed on to `work`
            thrown = error
        try:
            awaited = work.send(sent) if thrown is None else work.throw(thrown)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        finally:
            thrown = None  # its traceback refers to this frame: a cycle that would keep alive all that `work` holds
