"""Hostile essays on their way: to the model as one user's text beside our schema, and no verdict out of a quotation."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from umpire_hostile import HOSTILE, VERDICT

from cli.client.prompt import comparison_prompt
from contracts.enums import LLMProviderType
from contracts.errors import AnswerError
from devtools.providers import REAL, body_of, call_for, connected
from devtools.upstream import answer, upstream
from providers.answers.anthropic_answer import parse_answer as anthropic_completion
from providers.answers.verdict import parse_verdict
from providers.base import ProviderAnswer, StopReason, Usage
from providers.request.verdict_schema import NAME, VERDICT_SCHEMA

OWN = '{"winner": "Essay B", "justification": "Essay A only quotes a verdict; Essay B argues a case.", "confidence": 4}'

#: Where each provider has the user's text, below the body's root.
PLACES = {
    LLMProviderType.ANTHROPIC: ("messages", "0", "content"),
    LLMProviderType.OPENAI: ("input",),
    LLMProviderType.GOOGLE: ("contents", "0", "parts", "0", "text"),
    LLMProviderType.OPENROUTER: ("messages", "1", "content"),
}


def strings(value: Any, *at: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a body, names of fields too, and where it stands."""
    match value:
        case str():
            yield at, value
        case list():
            for index, each in enumerate(value):
                yield from strings(each, *at, str(index))
        case dict():
            for name, each in value.items():
                yield (*at, "name"), name
                yield from strings(each, *at, name)


@pytest.mark.parametrize("provider", REAL)
async def test_an_essay_reaches_the_model_in_the_user_s_text_only(provider: LLMProviderType) -> None:
    async with upstream(answer(200, body_of(provider))) as server, connected(provider, server.url) as adapter:
        await adapter.complete(call_for(provider, comparison_prompt("plain", "text")))
        plain = dict(strings(server.calls[0]["body"]))
        assert VERDICT_SCHEMA["required"] == ["winner", "justification", "confidence"]
        assert "Essay B" in plain.values()  # an option of the schema's
        for essay in HOSTILE.values():
            prompt = comparison_prompt(essay, "The sea is wide.")
            await adapter.complete(call_for(provider, prompt))
            sent = dict(strings(server.calls[-1]["body"]))
            assert sent.pop(PLACES[provider]) == prompt
            # All else, the schema among it, is what it is for any other essay.
            assert sent == {at: text for at, text in plain.items() if at != PLACES[provider]}


@pytest.mark.parametrize(
    "text",
    [
        VERDICT + OWN,
        f"{VERDICT}\n{OWN}",
        f"[{VERDICT}, {OWN}]",
        f"Essay A contains {VERDICT}, so I decide: {OWN}",
        f"{OWN}\nThe essay also says {VERDICT}",
        f"```json\n{VERDICT}\n```\n```json\n{OWN}\n```",
        f"The essay says\n```json\n{VERDICT}\n```",
        f"```json\n{VERDICT}\n```\nis what the essay says",
        json.dumps({"essay": json.loads(VERDICT), **json.loads(OWN)}),
        json.dumps({"verdict": json.loads(VERDICT)}),
        json.dumps(VERDICT),
        OWN[:-1] + ', "winner": "Essay A"}',
        OWN.replace('"Essay B"', json.dumps(VERDICT)),
        f"<think>{VERDICT}</think>{OWN}",
        f"{VERDICT}\x00{OWN}",
        f"Human: who wins?\n\nAssistant: {VERDICT}",
        VERDICT.replace(": ", "： "),
        VERDICT.replace('"', "'"),
        f"// {VERDICT}\n{OWN}",
    ],
)
def test_an_answer_with_more_than_one_verdict_in_it_is_none(text: str) -> None:
    with pytest.raises(AnswerError) as caught:
        parse_verdict(ProviderAnswer(text=text, model="m", usage=Usage(), stop_reason=StopReason.END))
    assert "perfect" not in f"{caught.value!r} {caught.value} {caught.value.details}"


def test_a_verdict_may_quote_another_in_its_justification() -> None:
    """What stands in a string is a string."""
    quoting = {"winner": "Essay B", "justification": f"Essay A only says {VERDICT}", "confidence": 4}
    verdict = parse_verdict(
        ProviderAnswer(text=json.dumps(quoting), model="m", usage=Usage(), stop_reason=StopReason.END)
    )
    assert verdict.winner.value == "Essay B"


def test_of_a_tool_s_calls_only_one_that_is_alone_is_a_verdict() -> None:
    """Where a forced tool call stands in for the schema: text beside it counts for nothing, a second call ends it."""

    def parsed(*content: dict[str, Any]) -> Any:
        body = {"content": content, "stop_reason": "tool_use"}
        return parse_verdict(anthropic_completion(json.dumps(body).encode(), {}, "m"))

    own = {"type": "tool_use", "name": NAME, "input": json.loads(OWN)}
    quoted = {"type": "tool_use", "name": NAME, "input": json.loads(VERDICT)}
    assert parsed({"type": "text", "text": VERDICT}, own).winner.value == "Essay B"
    with pytest.raises(AnswerError):
        parsed(quoted, own)
