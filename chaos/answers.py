"""The faults and the answers of the simulated provider."""

import json
import random
from dataclasses import dataclass
from typing import Any

#: Permanent faults, as shares of all calls.
USUAL = {
    "overloaded": 0.005, "error": 0.01, "drop": 0.004, "cut": 0.004, "malformed": 0.004, "wrong": 0.004,
    "truncated": 0.004, "limited": 0.002, "late": 0.002, "odd": 0.05,
}  # fmt: skip

#: Answers with an error status: status, Retry-After in seconds.
REFUSALS: dict[str, tuple[int, float | None]] = {
    "overloaded": (529, None),
    "error": (500, None),
    "limited": (429, 1),
    "rejected": (401, None),
}

#: Placeholder in aimock's answers for the model's text.
PLACE = "the-words-of-the-model"

#: Faults that give a whole answer with status 200 and no verdict. Such calls are paid.
WORTHLESS = frozenset({"malformed", "wrong", "truncated"})


@dataclass(frozen=True)
class Verdict:
    winner: str
    justification: str
    confidence: int

    @classmethod
    def of(cls, call: int, rng: random.Random) -> "Verdict":
        """A different one for each call, so that a verdict shows which call it came from."""
        winner = rng.choice(["Essay A", "Essay B"])
        words = f"By call {call}, {winner} gives more reasons and better ones – é, 漢, “quoted”."
        return cls(winner, words, rng.randint(1, 5))


def draw(rates: dict[str, float], rng: random.Random) -> str:
    """A fault by its share, or `ok`."""
    point = rng.random()
    for fault, share in rates.items():
        point -= share
        if point < 0:
            return fault
    return "ok"


def latency(rng: random.Random) -> float:
    """Seconds: mostly some tenths, sometimes a few seconds."""
    return rng.uniform(1.0, 5.0) if rng.random() < 0.05 else min(0.08 + rng.expovariate(4.0), 2.0)


def text_of(verdict: Verdict, fault: str) -> str:
    """The model's text."""
    if fault == "wrong":
        return "Both essays have their merits."
    text = json.dumps(vars(verdict), ensure_ascii=False)
    return text[: len(text) // 2] if fault == "truncated" else text


def anthropic_body(text: str, *, truncated: bool) -> dict[str, Any]:
    """An answer of the Messages API."""
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "max_tokens" if truncated else "end_turn",
        "usage": {"input_tokens": 100, "output_tokens": 50},
    }  # fmt: skip


def openai_body(made: str, text: str, *, truncated: bool) -> dict[str, Any]:
    """An answer of the Responses API: aimock's answer with the model's text."""
    body: dict[str, Any] = json.loads(made.replace(PLACE, json.dumps(text)[1:-1]))
    if truncated:
        body |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return body


#: Values that providers were seen to send instead of a count.
_ODD_COUNTS = (None, -1, 12.5, "100", 10**30, [], True)


def odd(body: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The same verdict with an unusual field beside it. It must count as a verdict."""
    usage = dict(body["usage"])
    match rng.randrange(6):
        case 0:
            return {**body, "usage": None}
        case 1:
            return {name: value for name, value in body.items() if name != "usage"}
        case 2:
            return {**body, "model": None, "id": None}
        case 3:
            return {**body, "usage": {}, "new_in_this_version": {"deep": [None]}}
        case 4:
            details = {"cached_tokens": 9000}
            cached = {"cache_read_input_tokens": 9000, "input_tokens_details": details}
            return {**body, "usage": {**usage, **cached}}
    usage[rng.choice(["input_tokens", "output_tokens"])] = rng.choice(_ODD_COUNTS)
    return {**body, "usage": usage}


def encoded(body: dict[str, Any], fault: str) -> bytes:
    whole = json.dumps(body).encode()
    # The same length, but no JSON.
    return whole[:-20] + b"#" * 20 if fault == "malformed" else whole


def error_body(provider: str, status: int) -> bytes:
    kind = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}[status]
    error = {"type": kind, "message": "chaos", **({"code": None} if provider == "openai" else {})}
    return json.dumps({"type": "error", "error": error}).encode()
