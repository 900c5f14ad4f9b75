"""What is sent is what each SDK's own parameter types allow: aimock and our upstream check none of it."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types as genai
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from contracts.enums import LLMProviderType
from contracts.http import LLMConfigOverridesHTTP, PromptBlock
from devtools.aimock import Aimock
from devtools.providers import PROMPT, REAL, VERDICT, body_of, call_for, connected
from devtools.upstream import answer, upstream
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo
from providers.request.prompt import DEFAULT_SYSTEM_PROMPT
from providers.request.verdict_schema import IN_WORDS, VERDICT_SCHEMA

ANTHROPIC, OPENAI, GOOGLE, OPENROUTER = REAL

every = pytest.mark.parametrize("provider", REAL)

#: Not in the SDK's types: the older models' temperature, and OpenRouter's own fields.
OUTSIDE = {
    ANTHROPIC: {"temperature"},
    OPENAI: set[str](),
    OPENROUTER: {"provider", "reasoning"},
}

TYPES = {
    ANTHROPIC: MessageCreateParamsNonStreaming,
    OPENAI: ResponseCreateParamsNonStreaming,
    OPENROUTER: CompletionCreateParamsNonStreaming,
}

BLOCKS = [
    PromptBlock(target="system", content="You are a judge. ", cacheable=True, ttl="5m"),
    PromptBlock(target="user_content", content="The criteria: depth.\n", cacheable=True, ttl="1h"),
    PromptBlock(target="user_content", content=PROMPT),
]

OVERRIDES = {
    "temperature_override": 0.5,
    "reasoning_effort": "low",
    "output_verbosity": "low",
    "max_tokens_override": 2000,
}


def check(provider: LLMProviderType, body: dict[str, Any]) -> None:
    """Raises when the provider's SDK would not type-check this body."""
    if provider is GOOGLE:
        check_google(body)
        return
    outside = OUTSIDE[provider]
    typed = TYPES[provider]
    known = set().union(*(getattr(base, "__annotations__", {}) for base in [typed, *typed.__orig_bases__]))
    assert body.keys() - outside <= known, "a field that the SDK does not know"
    inner = {key: value for key, value in body.items() if key not in outside}
    # Held until all is read: pydantic's lazy iterators need their adapter, and panic without it.
    adapter = TypeAdapter(with_config(ConfigDict(strict=True))(typed))
    read = adapter.validate_python(inner)
    assert plain(read) == inner, "a field within a field that the SDK does not know: reading it drops it"


def plain(value: Any) -> Any:
    """The same, of dicts and lists: pydantic checks what is typed as an iterable only when it is iterated."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value if isinstance(value, str) or not isinstance(value, Iterable) else [plain(inner) for inner in value]


def check_google(body: dict[str, Any]) -> None:
    """The Gemini API spreads the SDK's config over three places; unknown fields are errors in the SDK's models."""
    assert body.keys() <= {"contents", "systemInstruction", "generationConfig"}
    for content in [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]:
        genai.Content.model_validate(content)
    genai.GenerationConfig.model_validate(body["generationConfig"])


async def sent(
    aimock: Aimock, provider: LLMProviderType, info: ModelInfo | None = None, **fields: Any
) -> dict[str, Any]:
    """The body of one call, checked."""
    aimock.set_fixtures([{"match": {"userMessage": "Essay"}, "response": {"content": json.dumps(VERDICT)}}])
    async with connected(provider, aimock.url) as adapter:
        await adapter.complete(call_for(provider, info=info, **fields))
    request = aimock.requests()[-1]
    assert request["headers"]["x-umpire-attempt"] == "q1-1"
    body: dict[str, Any] = request["body"]
    check(provider, body)
    return body


@pytest.mark.aimock
@every
async def test_the_plain_call(aimock: Aimock, provider: LLMProviderType) -> None:
    body = await sent(aimock, provider)
    text = json.dumps(body)
    assert json.dumps(DEFAULT_SYSTEM_PROMPT)[1:-1] in text
    assert json.dumps(PROMPT)[1:-1] in text
    schema = {
        ANTHROPIC: lambda: body["output_config"]["format"]["schema"],
        OPENAI: lambda: body["text"]["format"]["schema"],
        GOOGLE: lambda: body["generationConfig"]["responseJsonSchema"],
        OPENROUTER: lambda: body["response_format"]["json_schema"]["schema"],
    }[provider]()
    assert schema == VERDICT_SCHEMA
    if provider is OPENAI:
        assert body["store"] is False
        assert body["text"]["format"]["strict"] is True
    if provider is OPENROUTER:
        assert body["provider"] == {"require_parameters": True}
        assert body["response_format"]["json_schema"]["strict"] is True


@pytest.mark.aimock
@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")  # the SDK's own word on Sonnet 4.5
@every
async def test_every_model_of_the_manifest_with_everything_a_caller_can_ask_for(
    aimock: Aimock, provider: LLMProviderType
) -> None:
    for info in Manifest.load().models(provider):
        body = await sent(aimock, provider, info, llm_config_overrides=OVERRIDES, prompt_blocks=BLOCKS)
        text = json.dumps(body)
        assert ('"temperature": 0.5' in text) is info.temperature
        assert ('"effort": "low"' in text or '"LOW"' in text) is bool(info.effort)
        assert ('"verbosity": "low"' in text) is info.verbosity
        assert ": 2000" in text


@pytest.mark.aimock
@every
async def test_a_system_prompt_of_the_callers_own_replaces_ours(aimock: Aimock, provider: LLMProviderType) -> None:
    own = LLMConfigOverridesHTTP(system_prompt_override="Judge kindly.")
    text = json.dumps(await sent(aimock, provider, llm_config_overrides=own))
    assert "Judge kindly." in text
    assert "experienced examiner" not in text
    none = LLMConfigOverridesHTTP(system_prompt_override="")
    text = json.dumps(await sent(aimock, provider, llm_config_overrides=none))
    assert "experienced examiner" not in text


@pytest.mark.aimock
async def test_blocks_become_cache_breakpoints_at_anthropic(aimock: Aimock) -> None:
    body = await sent(aimock, ANTHROPIC, prompt_blocks=BLOCKS)
    assert body["system"] == [
        {"type": "text", "text": "You are a judge. ", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "The criteria: depth.\n\n\n", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": PROMPT},
    ]


@pytest.mark.aimock
@pytest.mark.parametrize("provider", [OPENAI, GOOGLE, OPENROUTER])
async def test_blocks_are_joined_elsewhere(aimock: Aimock, provider: LLMProviderType) -> None:
    older = replace(Manifest.load().default(provider), explicit_cache=False)
    body = await sent(aimock, provider, older, prompt_blocks=BLOCKS)
    system, user = {
        OPENAI: lambda: (body["instructions"], body["input"]),
        GOOGLE: lambda: (body["systemInstruction"]["parts"][0]["text"], body["contents"][0]["parts"][0]["text"]),
        OPENROUTER: lambda: (body["messages"][0]["content"], body["messages"][1]["content"]),
    }[provider]()
    assert system == "You are a judge. "
    assert user == "The criteria: depth.\n\n\n" + PROMPT


@pytest.mark.aimock
async def test_openai_writes_to_its_cache_only_what_is_cacheable(aimock: Aimock) -> None:
    """From GPT-5.6 on each long prompt would be written, at 1.25 times its price."""
    body = await sent(aimock, OPENAI)
    assert body["prompt_cache_options"] == {"mode": "explicit"}
    assert (body["instructions"], body["input"]) == (DEFAULT_SYSTEM_PROMPT, PROMPT)
    body = await sent(aimock, OPENAI, prompt_blocks=[PromptBlock(target="user_content", content=PROMPT)])
    assert (body["instructions"], body["input"]) == (DEFAULT_SYSTEM_PROMPT, PROMPT)
    body = await sent(aimock, OPENAI, prompt_blocks=BLOCKS)
    assert body["prompt_cache_options"] == {"mode": "explicit"}
    assert "instructions" not in body
    kept = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    assert body["input"] == [
        {"role": "system", "content": [{"type": "input_text", "text": "You are a judge. ", **kept}]},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "The criteria: depth.\n\n\n", **kept},
                {"type": "input_text", "text": PROMPT},
            ],
        },
    ]
    short = [PromptBlock(target="user_content", content=PROMPT, cacheable=True, ttl="5m")]
    body = await sent(aimock, OPENAI, prompt_blocks=short)
    system, user = body["input"]
    assert system == {"role": "system", "content": DEFAULT_SYSTEM_PROMPT}
    assert user["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit", "ttl": "30m"}


@pytest.mark.aimock
async def test_openrouter_passes_openais_breakpoints_on(aimock: Aimock) -> None:
    """As its GPT-5.6 migration guide says; its breakpoints have no time."""
    body = await sent(aimock, OPENROUTER, prompt_blocks=BLOCKS)
    assert body["prompt_cache_options"] == {"mode": "explicit"}
    kept = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    assert body["messages"][0]["content"] == [{"type": "text", "text": "You are a judge. ", **kept}]
    assert body["messages"][1]["content"][0] == {"type": "text", "text": "The criteria: depth.\n\n\n", **kept}
    other = Manifest.load().find(OPENROUTER, "google/gemini-3.8-flash")
    body = await sent(aimock, OPENROUTER, other, prompt_blocks=BLOCKS)
    assert "prompt_cache_options" not in body
    assert body["messages"][0]["content"] == "You are a judge. "


@pytest.mark.parametrize("provider", [OPENAI, OPENROUTER])
@pytest.mark.parametrize(("setting", "sent_so"), [("explicit", True), ("implicit", False)])
async def test_an_operator_leaves_the_cache_to_openai(provider: LLMProviderType, setting: str, sent_so: bool) -> None:
    async with (
        upstream(answer(200, body_of(provider))) as server,
        connected(provider, server.url, prompt_cache=setting) as adapter,
    ):
        await adapter.complete(call_for(provider))
        assert ("prompt_cache_options" in server.calls[0]["body"]) is sent_so


@pytest.mark.parametrize(
    ("provider", "model", "explicit"),
    [
        (OPENAI, "gpt-6-luna", True), (OPENAI, "gpt-6.1-sol", True), (OPENAI, "gpt-6.1-terra", True),
        (OPENAI, "gpt-6-astra", True), (OPENAI, "gpt-5.5", False), (OPENAI, "gpt-4o", False),
        (OPENROUTER, "openai/gpt-6-luna", True), (OPENROUTER, "google/gemini-3.8-flash", False),
    ],
)  # fmt: skip
def test_the_models_that_cache_at_a_price(provider: LLMProviderType, model: str, explicit: bool) -> None:
    info = Manifest.load().find(provider, model)
    assert info is not None
    assert info.explicit_cache is explicit


@pytest.mark.aimock
async def test_a_forced_tool_stands_in_for_structured_outputs(aimock: Aimock) -> None:
    info = replace(Manifest.load().default(ANTHROPIC), structured_outputs=False, forced_tool=True)
    body = await sent(aimock, ANTHROPIC, info)
    assert "output_config" not in body
    assert body["tools"][0]["input_schema"] == VERDICT_SCHEMA
    assert body["tool_choice"]["name"] == body["tools"][0]["name"]


@pytest.mark.aimock
@every
async def test_a_model_with_neither_is_asked_in_words(aimock: Aimock, provider: LLMProviderType) -> None:
    info = replace(Manifest.load().default(provider), structured_outputs=False, forced_tool=False)
    for blocks in (None, BLOCKS, BLOCKS[1:]):
        body = await sent(aimock, provider, info, prompt_blocks=blocks)
        assert not {"output_config", "tools", "response_format"} & body.keys()
        assert json.dumps(IN_WORDS)[1:-1] in json.dumps(body)


@every
def test_the_check_itself_finds_faults(provider: LLMProviderType) -> None:
    wrong: dict[LLMProviderType, dict[str, Any]] = {
        ANTHROPIC: {"model": "m", "max_tokens": "many", "messages": []},
        OPENAI: {"model": "m", "input": "x", "text": {"format": {"type": "jsonschema"}}},
        GOOGLE: {"contents": [], "generationConfig": {"maxTokens": 3}},
        OPENROUTER: {"model": "m", "messages": [{"role": "boss", "content": "x"}]},
    }
    with pytest.raises(ValueError, match="valid"):
        check(provider, wrong[provider])
