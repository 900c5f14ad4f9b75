"""`python umpire_faulty.py api | worker | consumer`: the real thing, with faults that quote what they handle."""

import asyncio
import sys
import threading
from typing import Any

from cli.supervise.ports import listen
from contracts.enums import LLMProviderType
from contracts.settings import load_settings
from events.producer import Publisher
from ledger.ledger import Ledger
from providers.mock import MockProvider
from tasks.intake import Intake
from tasks.runtime import Runtime

KEY = "CanaryKeyOfAFault77"


class Unexpected(Exception):
    pass


class Dying:
    """Cannot be collected without a fault."""

    def __del__(self) -> None:
        raise Unexpected(KEY)


def fails(text: object, *_: object) -> None:
    quoted = f"{text} {KEY}"
    raise Unexpected(quoted) from ValueError(quoted)


async def fails_soon(text: object) -> None:
    fails(text)


def api() -> None:
    import service.routes.comparison as door
    from cli.serve.api import serve

    parse, admit = door.parse, Ledger.admit

    def parse_or_fail(model: Any, body: bytes) -> Any:
        return fails(body) if b"fault:door" in body else parse(model, body)

    async def admit_or_fail(self: Ledger, stored: Any, *arguments: Any, **more: Any) -> Any:
        if "fault:ledger" in stored.request.user_prompt:
            fails(stored)
        return await admit(self, stored, *arguments, **more)

    door.parse, Ledger.admit = parse_or_fail, admit_or_fail  # type: ignore[method-assign,assignment]
    serve(load_settings(), listen("127.0.0.1", int(sys.argv[2]), setting="the test"))


def worker() -> int:
    from tasks.worker import run

    complete, take, report, warm_up = MockProvider.complete, Intake.take, Publisher._report, Runtime.warm_up
    once = {"take", "report"}

    async def complete_or_fail(self: MockProvider, call: Any) -> Any:
        if "fault:call" in call.user:
            fails(call.user)
        return await complete(self, call)

    async def take_or_fail(self: Intake, queue_id: str, priority: int) -> None:
        if "take" in once:
            once.remove("take")
            fails(queue_id)
        await take(self, queue_id, priority)

    def report_or_fail(self: Publisher, on_delivery: Any, error: Any, message: Any) -> None:
        report(self, on_delivery, error, message)
        if "report" in once:
            once.remove("report")
            fails(message.value())

    async def warm_up_and_fail(self: Runtime) -> None:
        await warm_up(self)
        loop = asyncio.get_running_loop()
        loop.call_soon(fails, KEY)
        threading.Thread(target=fails, args=(KEY,)).start()
        Dying()
        forgotten = asyncio.create_task(fails_soon(KEY))
        await asyncio.wait([forgotten])

    MockProvider.complete = complete_or_fail  # type: ignore[method-assign]
    Intake.take = take_or_fail  # type: ignore[method-assign,assignment]
    Publisher._report = report_or_fail  # type: ignore[method-assign]
    Runtime.warm_up = warm_up_and_fail  # type: ignore[method-assign]
    return run(load_settings(), LLMProviderType.MOCK)


def consumer() -> int:
    """A worker whose Celery consumer has a fault of its own."""
    from kombu.transport.redis import MultiChannelPoller

    from tasks.worker import run

    def without_attribute(self: MultiChannelPoller) -> None:
        self.no_such_method()  # type: ignore[attr-defined]

    MultiChannelPoller.on_poll_start = without_attribute  # type: ignore[method-assign]
    return run(load_settings(), LLMProviderType.MOCK)


if __name__ == "__main__":
    sys.exit({"api": api, "worker": worker, "consumer": consumer}[sys.argv[1]]())
