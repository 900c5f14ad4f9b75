"""Whatever becomes of an answer on its way: a readable verdict ends as a verdict, everything else as a typed error, and
either as an event that can be built.
"""

import copy
import json
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import example, given, settings
from hypothesis import strategies as st

from completion.judgement import Judgement, Spent
from completion.result_event import result_of
from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from contracts.events import LLMComparisonResultV1
from contracts.http import LLMComparisonRequest
from contracts.settings import KafkaSettings
from devtools.providers import REAL, VERDICT, body_of
from events.envelope import seal_result
from ledger.request import StoredRequest
from providers.answers import anthropic_answer, google_answer, openai_answer, openrouter_answer
from providers.answers.error_mapping import error_of_object
from providers.answers.verdict import parse_verdict
from providers.base import ProviderAnswer
from providers.models.cost import cost
from providers.models.manifest import Manifest

ANTHROPIC, OPENAI, GOOGLE, OPENROUTER = REAL

Path = tuple[str | int, ...]

#: What a mutation puts in a value's place. None of it is a word that means something to a provider.
ODD: list[Any] = [
    None, True, False, 0, -1, -(10**30), 7, 100.5, 1e300, math.nan, math.inf, -math.inf, 10**9 + 1, 10**400, "", "odd",
    "100", "\ud83d", "x" * 5000, [], {}, [None], [[]], {"": None}, {"n": 1}, [{"n": {"n": []}}],
]  # fmt: skip

#: Where the verdict stands, and what makes it one. Anything else may be anything.
BEARING: dict[LLMProviderType, list[Path]] = {
    ANTHROPIC: [("content", 1, "text"), ("content", 1, "type")],
    OPENAI: [("output", 1, "type"), ("output", 1, "content", 0, "type"), ("output", 1, "content", 0, "text")],
    GOOGLE: [
        ("candidates", 0, "content", "parts", 0, "thought"),
        ("candidates", 0, "content", "parts", 1, "text"),
        ("candidates", 0, "content", "parts", 1, "thought"),
    ],
    OPENROUTER: [("choices", 0, "message", "content")],
}

#: Fields that some of them have in other answers.
MORE = ["error", "type", "status", "refusal", "phase", "thought", "incomplete_details", "promptFeedback", "is_byok"]


class Twice(tuple[Any, Any]):
    """A key that stands twice, with another value first: the last one counts."""

    __slots__ = ()


def spelled(value: Any) -> str:
    """As json.dumps, with keys that stand twice."""
    match value:
        case dict():
            pairs = [
                f"{json.dumps(name)}: {spelled(each)}"
                for name, inner in value.items()
                for each in (inner if isinstance(inner, Twice) else (inner,))
            ]
            return "{" + ", ".join(pairs) + "}"
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case int() if not isinstance(value, bool) and abs(value) >= 10**400:
            return "9" * 5000
    return json.dumps(value)


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    if here:
        yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from paths(each, (*here, name))


def bears(provider: LLMProviderType, path: Path) -> bool:
    return any(path == known[: len(path)] or known == path[: len(known)] for known in BEARING[provider])


def at(value: Any, path: Path) -> Any:
    for name in path:
        value = value[name]
    return value


@st.composite
def mutated(draw: st.DrawFn, *, safe: bool) -> tuple[LLMProviderType, str]:
    """An answer after some mutations; a `safe` one still has its verdict."""
    provider = draw(st.sampled_from(REAL))
    body: Any = copy.deepcopy(body_of(provider))
    for _ in range(draw(st.integers(1, 4))):
        open_to = [path for path in paths(body) if not (safe and bears(provider, path))]
        path = draw(st.sampled_from(open_to or [()]))
        if not path:
            continue
        parent, name, odd = at(body, path[:-1]), path[-1], copy.deepcopy(draw(st.sampled_from(ODD)))
        match draw(st.sampled_from(["put", "remove", "twice", "again", "add"])):
            case "put":
                parent[name] = odd
            case "remove" if isinstance(parent, dict):
                del parent[name]
            case "twice" if isinstance(parent, dict) and not isinstance(parent[name], Twice):
                parent[name] = Twice((odd, parent[name]))
            case "again" if isinstance(parent, list):
                parent.append(odd if safe else copy.deepcopy(parent[name]))
            case "add" if isinstance(parent, dict):
                parent.setdefault(draw(st.sampled_from(MORE)), odd)
    return provider, spelled(body)


def complete(provider: LLMProviderType, body: str) -> ProviderAnswer:
    if provider is GOOGLE:
        return google_answer.parse_answer(body, {}, "m")
    module = {ANTHROPIC: anthropic_answer, OPENAI: openai_answer, OPENROUTER: openrouter_answer}[provider]
    return module.parse_answer(body.encode(), {"x-request-id": "r"}, "m")


def judged(provider: LLMProviderType, body: str) -> LLMComparisonResultV1:
    """The event of an answer, as tasks/call/judge.py makes it."""
    now = utcnow()
    stored = StoredRequest(
        queue_id=uuid4(),
        correlation_id=uuid4(),
        request=LLMComparisonRequest(user_prompt="p", callback_topic="t"),
        provider=provider,
        model="m",
        requested_at=now,
        expires_at=now + timedelta(hours=1),
    )
    spent = Spent().attempted()
    try:
        completion = complete(provider, body)
        spent = spent.paid(completion.usage.as_token_usage(), cost(Manifest.load().default(provider), completion.usage))
        verdict = parse_verdict(completion)
    except UmpireError as error:
        if error.usage is not None:
            spent = spent.paid(error.usage.as_token_usage(), None)
        judgement = Judgement(model="m", spent=Spent.model_validate_json(spent.model_dump_json()), error=error)
    else:
        judgement = Judgement(
            model=completion.model,
            spent=Spent.model_validate_json(spent.model_dump_json()),
            winner=verdict.winner,
            justification=verdict.justification,
            confidence=verdict.confidence,
        )
    result = result_of(stored, judgement, "abc")
    seal_result(result, KafkaSettings())
    event = LLMComparisonResultV1.model_validate_json(result.model_dump_json())
    assert math.isfinite(event.cost_estimate)
    assert 0 <= event.cost_estimate < 1
    assert event.token_usage.total_tokens == event.token_usage.prompt_tokens + event.token_usage.completion_tokens
    return event


@given(mutated(safe=True))
@settings(deadline=None, max_examples=1000)
def test_a_readable_verdict_is_always_a_verdict(case: tuple[LLMProviderType, str]) -> None:
    event = judged(*case)
    assert event.error_detail is None, case
    assert (event.winner, event.confidence) == (VERDICT["winner"], VERDICT["confidence"])


@given(mutated(safe=False))
@settings(deadline=None, max_examples=1000)
def test_any_answer_ends_as_an_event_that_can_be_built(case: tuple[LLMProviderType, str]) -> None:
    event = judged(*case)
    assert (event.error_detail is None) is (event.winner is not None)


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9) | st.sampled_from(ODD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "status", "type", "message", "details", "metadata", "reason", "raw"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(REAL), anything, st.booleans())
@settings(deadline=None, max_examples=500)
@example(ANTHROPIC, {"error": {"details": [{"retryDelay": "9" * 400 + "s"}], "message": "\ud83d"}}, True)
def test_any_error_ends_as_an_event_that_can_be_built(provider: LLMProviderType, error: Any, beside: bool) -> None:
    body = {**(body_of(provider) if beside else {}), "error": error}
    event = judged(provider, spelled(body))
    assert (event.error_detail is None) is beside
    reported = error_of_object(error, google_answer.ERRORS, {}, 503)
    assert reported.retry_after is None or 0 <= reported.retry_after <= 86_400


@given(st.sampled_from(REAL), st.text(max_size=60))
@settings(deadline=None, max_examples=300)
def test_a_body_of_any_text_is_a_typed_error(provider: LLMProviderType, text: str) -> None:
    event = judged(provider, text)
    assert event.error_detail is not None
    assert event.request_metadata["cost_known"] is False
