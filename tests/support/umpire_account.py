"""A provider's account that tests break and mend: what an upstream of ours answers to each call."""

import json
import time
from collections.abc import Callable
from typing import Any

from contracts.enums import LLMProviderType
from devtools.providers import body_of
from devtools.upstream import Connection, Upstream, answer

ANTHROPIC = LLMProviderType.ANTHROPIC


def refused(status: int, kind: str, message: str = "no") -> Callable[[Connection], Any]:
    return answer(status, {"type": "error", "error": {"type": kind, "message": message}})


KEY_REJECTED = refused(401, "authentication_error")
ACCOUNT_EMPTY = refused(402, "billing_error")
CREDIT_TOO_LOW = refused(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.")
MODEL_FORBIDDEN = refused(403, "permission_error")


class Account:
    """Judges each call, unless `fault` is set, or `fault_of` has one for a call that holds these words."""

    def __init__(self, fault: Callable[[Connection], Any] | None = None) -> None:
        self.upstream: Upstream
        self.fault = fault
        self.fault_of: dict[str, Callable[[Connection], Any]] = {}
        self.times: list[float] = []
        self.verdict = answer(200, body_of(ANTHROPIC))

    async def serve(self, connection: Connection) -> None:
        self.times.append(time.monotonic())
        said = json.dumps(self.upstream.calls[-1]["body"])
        own = next((fault for words, fault in self.fault_of.items() if words in said), None)
        await (own or self.fault or self.verdict)(connection)

    def calls_since(self, moment: float) -> int:
        return sum(one >= moment for one in self.times)

    def calls_with(self, words: str) -> int:
        return sum(words in json.dumps(call["body"]) for call in self.upstream.calls)
