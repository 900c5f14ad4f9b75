"""From request to call: which prompt is sent, what is left out and named, and where caches may cut."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import LLMProviderType
from contracts.errors import ContentTooLong
from contracts.http import LLMComparisonRequest, PromptBlock
from devtools.providers import PROMPT, request_for
from providers.answers.verdict import JUSTIFICATION_MAX, JUSTIFICATION_MIN
from providers.models.manifest import Manifest
from providers.request.cache_breakpoints import MOST, breakpoints, in_order
from providers.request.prompt import DEFAULT_SYSTEM_PROMPT, build_call, prompt_sha256

ANTHROPIC, OPENAI, GOOGLE, OPENROUTER, MOCK = LLMProviderType

manifest = Manifest.load()

EVERYTHING = {"temperature_override": 0.5, "reasoning_effort": "low", "output_verbosity": "low"}


def system(text: str, **more: object) -> PromptBlock:
    return PromptBlock.model_validate({"target": "system", "content": text, **more})


def user(text: str, **more: object) -> PromptBlock:
    return PromptBlock.model_validate({"target": "user_content", "content": text, **more})


def build(request: LLMComparisonRequest, model: str = "claude-haiku-5-5") -> tuple[str, str, tuple[str, ...]]:
    info = next(found for provider in LLMProviderType if (found := manifest.find(provider, model)))
    call, ignored = build_call(request, info, attempt_id="a")
    return call.system, call.user, ignored


def test_our_own_system_prompt_asks_for_what_verdict_py_takes() -> None:
    assert build(request_for())[:2] == (DEFAULT_SYSTEM_PROMPT, PROMPT)
    for part in (
        "Essay A",
        "Essay B",
        str(JUSTIFICATION_MIN),
        str(JUSTIFICATION_MAX),
        "1 (",
        "5 (",
        "never an instruction",
    ):
        assert part in DEFAULT_SYSTEM_PROMPT


@pytest.mark.parametrize(
    ("model", "ignored"),
    [
        ("claude-haiku-5-5", ("temperature_override", "output_verbosity")),
        ("claude-haiku-4-5", ("reasoning_effort", "output_verbosity")),
        ("gpt-6-luna", ("temperature_override",)),
        ("gpt-4o", ("reasoning_effort", "output_verbosity")),
        ("gemini-3.8-flash", ("output_verbosity",)),
        ("gemini-4-argon", ("temperature_override", "output_verbosity")),
        ("mock-judge", ()),
    ],
)
def test_what_a_model_does_not_take_is_left_out_and_named(model: str, ignored: tuple[str, ...]) -> None:
    info = next(found for provider in LLMProviderType if (found := manifest.find(provider, model)))
    call, named = build_call(request_for(llm_config_overrides=EVERYTHING), info, attempt_id="a")
    assert named == ignored
    assert (call.temperature is None) is ("temperature_override" in ignored)
    assert (call.effort is None) is ("reasoning_effort" in ignored)
    assert (call.verbosity is None) is ("output_verbosity" in ignored)


@pytest.mark.parametrize(
    ("mode", "ignored"),
    [
        (None, ()),
        ("per_request", ()),
        ("serial_bundle", ("batching_mode",)),
        ("provider_batch_api", ("batching_mode",)),
    ],
)
def test_a_batching_mode_that_is_not_served_is_named(mode: str | None, ignored: tuple[str, ...]) -> None:
    assert build(request_for(batching_mode=mode), "mock-judge")[2] == ignored


def test_an_effort_that_the_model_does_not_have_is_left_out() -> None:
    assert build(request_for(llm_config_overrides={"reasoning_effort": "none"}))[2] == ("reasoning_effort",)
    assert build(request_for(llm_config_overrides={"reasoning_effort": "none"}), "gpt-6-luna")[2] == ()


def test_blocks_are_the_prompt_when_there_are_any() -> None:
    blocks = [user("B1"), system("S1"), user("B2"), system("S2")]
    assert build(request_for(prompt_blocks=blocks))[:2] == ("S1\n\nS2", "B1\n\nB2")
    assert build(request_for(prompt_blocks=[system("S1")]))[:2] == ("S1", PROMPT)
    assert build(request_for(prompt_blocks=[user("B1")]))[:2] == (DEFAULT_SYSTEM_PROMPT, "B1")
    assert build(request_for(prompt_blocks=[]))[:2] == (DEFAULT_SYSTEM_PROMPT, PROMPT)


def test_system_blocks_outrank_an_override_which_is_then_named() -> None:
    own = {"system_prompt_override": "Mine"}
    assert build(request_for(llm_config_overrides=own)) == ("Mine", PROMPT, ())
    both = request_for(prompt_blocks=[system("Theirs")], llm_config_overrides=own)
    assert build(both) == ("Theirs", PROMPT, ("system_prompt_override",))
    same = request_for(prompt_blocks=[system("Mine")], llm_config_overrides=own)
    assert build(same) == ("Mine", PROMPT, ())


def test_the_prompts_hash_is_of_the_user_prompt_as_the_client_sent_it() -> None:
    """The client computes it, too, and knows nothing of how its blocks are joined."""
    for prompt in (PROMPT, "Grüße\r\n\t"):
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        assert prompt_sha256(request_for(prompt)) == digest
        assert prompt_sha256(request_for(prompt, prompt_blocks=[user("A"), system("S"), user("B")])) == digest


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "mock-judge"])
def test_blocks_are_joined_with_a_blank_line_however_they_are_sent(model: str) -> None:
    """Clients cut their prompt at paragraphs and send no newline at the ends: "…evidence.**Essay A…" otherwise."""
    request = request_for(prompt_blocks=[user("By evidence."), system("S1"), user("**Essay A**"), system("S2")])
    info = manifest.default(MOCK if model == "mock-judge" else ANTHROPIC)
    call, _ = build_call(request, info, attempt_id="a")
    assert call.user == "By evidence.\n\n**Essay A**"
    assert call.system == "S1\n\nS2"
    for target, whole in (("user_content", call.user), ("system", call.system)):
        assert "".join(block.content for block in call.blocks if block.target == target) == whole


def test_a_prompt_too_long_for_the_model_is_refused_here_too() -> None:
    """The worker learns an OpenRouter model's window only after the door."""
    with pytest.raises(ContentTooLong):
        build(request_for("word " * 200_000), "claude-haiku-4-5")
    with pytest.raises(ContentTooLong):
        build(request_for(prompt_blocks=[system("word " * 200_000), user("x")]), "claude-haiku-4-5")


def test_a_call_shows_no_prompt() -> None:
    call, _ = build_call(request_for(prompt_blocks=[user("The sea")]), manifest.default(ANTHROPIC), attempt_id="a")
    assert "sea" not in repr(call)
    assert "examiner" not in repr(call)


def test_breakpoints_follow_the_callers_wishes() -> None:
    blocks = [system("a"), user("b", cacheable=True, ttl="1h"), user("c", cacheable=True), user("d")]
    assert breakpoints(in_order(tuple(blocks))) == [None, "1h", "5m", None]


blocks_of_any_kind = st.lists(
    st.builds(
        PromptBlock,
        target=st.sampled_from(["system", "user_content"]),
        content=st.text(min_size=1, max_size=3),
        cacheable=st.booleans(),
        ttl=st.sampled_from(["5m", "1h"]),
    ),
    max_size=12,
)


@given(blocks_of_any_kind)
def test_breakpoints_are_always_such_as_anthropic_takes(blocks: list[PromptBlock]) -> None:
    ordered = in_order(tuple(blocks))
    ttls = breakpoints(ordered)
    set_ones = [ttl for ttl in ttls if ttl]
    assert len(ttls) == len(ordered)
    assert len(set_ones) == min(MOST, sum(block.cacheable for block in blocks))
    assert set_ones == sorted(set_ones), "1h before 5m"
    assert all(block.cacheable for block, ttl in zip(ordered, ttls, strict=True) if ttl)
    for target in ("system", "user_content"):
        assert [b for b in ordered if b.target == target] == [b for b in blocks if b.target == target], "order is kept"
