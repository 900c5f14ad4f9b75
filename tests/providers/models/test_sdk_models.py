"""The manifest against the SDKs' own model lists: each name there is a model of ours, or left out for a reason here."""

import re
import typing
from collections.abc import Iterable
from datetime import date
from importlib import import_module
from typing import Any

import pytest

from contracts.enums import LLMProviderType
from contracts.errors import InvalidConfig
from contracts.settings import Settings
from devtools.providers import request_for
from providers.models.manifest import Manifest

ANTHROPIC, OPENAI, GOOGLE, *_ = LLMProviderType

TODAY = date(2026, 11, 29)

manifest = Manifest.load()

#: Pattern of names → why no request may name them. Shut down: by TODAY, as the SDK's own notes say.
LEFT_OUT = {
    ANTHROPIC: {r"claude-mythos-preview": "shut down"},
    OPENAI: {
        r".*(audio|search|chat-latest|codex|deep-research).*|computer-use.*": "made for something else than text",
        r".*-pro(-\d{4}.*)?": "minutes for an answer",
        r"gpt-(4|3\.5).*|chatgpt-.*|o1.*|o3-mini.*|o4-mini.*": "shut down",
        r"gpt-5\.1-mini": "not a supported model id, says the SDK",
    },
    GOOGLE: {
        r".*(image|tts|transcribe|lyria|robotics|omni|nano-banana|customtools).*": "made for something else than text",
        r".*-latest": "no name of one model",
        r"gemma-.*": "no structured outputs",
    },
}


def names(of: Any) -> Iterable[str]:
    """Of the literals within a union."""
    for part in typing.get_args(of):
        if isinstance(part, str):
            yield part
        elif typing.get_origin(part) is typing.Literal:
            yield from names(part)


#: Google's list stands in a private module; the SDK has no other.
LISTS = {
    ANTHROPIC: lambda: import_module("anthropic.types.model").Model,
    OPENAI: lambda: import_module("openai.types.shared.chat_model").ChatModel,
    GOOGLE: lambda: import_module("google.genai._gaos.types.interactions.model").Model,
}


@pytest.mark.parametrize("provider", LISTS)
def test_every_model_that_the_sdk_lists_is_ours_or_left_out_for_a_reason(provider: LLMProviderType) -> None:
    listed = set(names(LISTS[provider]()))
    assert len(listed) > 20
    ours = {info.model_id for info in manifest.models(provider)}
    left_out = {name for name in listed if any(re.fullmatch(pattern, name) for pattern in LEFT_OUT[provider])}
    assert listed - ours - left_out == set()


@pytest.mark.parametrize("provider", LISTS)
def test_no_model_of_ours_is_one_that_the_sdk_does_not_know(provider: LLMProviderType) -> None:
    """But for what was shut down: SDKs forget those."""
    ours = {info.model_id for info in manifest.models(provider) if not info.is_shut_down(TODAY)}
    assert ours - set(names(LISTS[provider]())) == set()


def test_models_that_clients_ask_for_are_known() -> None:
    """Two were shut down meanwhile: refused with the day, since "unknown model" would send their users on a search."""
    admitted = manifest.model_for(OPENAI, "gpt-5.1", request_for(), Settings(), TODAY)
    assert admitted.model_id == "gpt-5.1"
    for provider, model, day in (
        (OPENAI, "gpt-4.1-nano-2025-04-14", "2026-10-23"),
        (GOOGLE, "gemini-2.5-flash-preview-05-20", "2025-11-18"),
    ):
        with pytest.raises(InvalidConfig, match=f"{model} was shut down by {provider.value} on {day}") as refused:
            manifest.model_for(provider, model, request_for(), Settings(), TODAY)
        assert refused.value.details["reason"] == "model_shut_down"
