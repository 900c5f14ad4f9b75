"""A timeout does not discard an answer that has arrived, even if the event loop is too busy to read it in time."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from contracts.enums import LLMProviderType
from devtools.providers import body_of, call_for, connected
from devtools.upstream import Upstream, answer, hang
from guard.grace_timeout import GraceTimeout, within_grace


@contextlib.contextmanager
def upstream_elsewhere(*answers) -> Iterator[Upstream]:
    """In a thread with a loop of its own: it answers while the test's loop is busy."""
    made, started, ended = Upstream(list(answers)), threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        made.loop = asyncio.get_running_loop()
        started.set()
        await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(10)
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(ended.set)
        thread.join()


@pytest.mark.parametrize("provider", [LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI])
async def test_an_answer_in_the_socket_is_read_despite_the_timeout(provider: LLMProviderType) -> None:
    """Paid, and there in time: given up, it would be paid again."""
    with upstream_elsewhere(answer(200, body_of(provider))) as elsewhere:
        async with connected(provider, elsewhere.url) as adapter:
            await adapter.complete(call_for(provider))  # what a first call loads takes its own time

            async def blocked() -> None:
                await asyncio.sleep(0.1)  # the call is out by then
                time.sleep(0.6)

            blocking = asyncio.create_task(blocked())
            elsewhere.answers = [slowly(0.2, answer(200, body_of(provider)))]
            completion = await within_grace(0.4, adapter.complete(call_for(provider)))
            assert completion.text
            assert blocking.done()
            assert len(elsewhere.calls) == 2


async def test_an_answer_that_has_not_arrived_times_out() -> None:
    provider = LLMProviderType.ANTHROPIC
    with upstream_elsewhere(hang) as elsewhere:
        async with connected(provider, elsewhere.url) as adapter:
            started = time.monotonic()
            with pytest.raises(GraceTimeout):
                await within_grace(0.3, adapter.complete(call_for(provider)))
            assert 0.3 <= time.monotonic() - started < 1.5


async def test_a_timeout_error_of_the_operation_and_a_cancellation_pass_through() -> None:
    async def own() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await within_grace(5, own())
    waiting = asyncio.create_task(within_grace(5, asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def slowly(seconds, send):
    async def wait(connection) -> None:
        await asyncio.sleep(seconds)
        await send(connection)

    return wait
