"""Our parameters of Google's SDK are its own, only read faster."""

import json
from typing import Any

import pytest
from google.genai import types
from pydantic import BaseModel

from contracts.enums import LLMProviderType
from devtools.aimock import Aimock
from devtools.providers import PROMPT, VERDICT, call_for, connected
from providers.base import ATTEMPT_HEADER
from providers.google import parameters
from providers.google_types import Config, Content, Part, text
from providers.models.manifest import Manifest
from providers.request import verdict_schema
from providers.request.prompt import DEFAULT_SYSTEM_PROMPT

GOOGLE = LLMProviderType.GOOGLE


@pytest.mark.parametrize(
    ("ours", "own"), [(Config, types.GenerateContentConfig), (Content, types.Content), (Part, types.Part)]
)
def test_they_contain_what_the_sdks_own_do(ours: type[BaseModel], own: type[BaseModel]) -> None:
    for name in [*own.model_fields, "other", "_self"]:
        assert (name in ours()) is (name in own())  # type: ignore[operator]


@pytest.mark.aimock
async def test_the_request_is_the_one_that_the_sdks_own_parameters_make(aimock: Aimock) -> None:
    aimock.set_fixtures([{"match": {"userMessage": "Essay"}, "response": {"content": json.dumps(VERDICT)}}])
    call = call_for(GOOGLE)
    async with connected(GOOGLE, aimock.url) as adapter:
        await adapter.complete(call)
        client: Any = adapter._client.made  # type: ignore[attr-defined]
        await client.aio.models.generate_content(
            model=call.model,
            contents=PROMPT,
            config={
                "max_output_tokens": call.max_tokens,
                "system_instruction": DEFAULT_SYSTEM_PROMPT,
                "response_mime_type": "application/json",
                "response_json_schema": verdict_schema.VERDICT_SCHEMA,
                "http_options": {"headers": {ATTEMPT_HEADER: call.attempt_id}},
                "automatic_function_calling": {"disable": True},
                "automatic_continuation": False,
            },
        )
    first, second = aimock.requests()[-2:]
    assert first["body"] == second["body"]
    drawn = {"x-request-id"}  # by aimock, for each
    assert {k: v for k, v in first["headers"].items() if k not in drawn} == {
        k: v for k, v in second["headers"].items() if k not in drawn
    }


def test_calls_share_nothing_that_differs() -> None:
    first, second = call_for(GOOGLE, "One", attempt="q1-1"), call_for(GOOGLE, "Two", attempt="q2-1")
    mine, other = parameters(first), parameters(second)
    assert mine.http_options.headers == {ATTEMPT_HEADER: "q1-1"}
    assert other.http_options.headers == {ATTEMPT_HEADER: "q2-1"}
    assert text(first.user).parts[0].text == "One" + first.user[3:]
    assert text(second.user).parts[0].text == "Two" + second.user[3:]
    assert Config().max_output_tokens is None


def test_all_that_a_caller_can_ask_for_is_valid_to_the_sdk() -> None:
    """They are put together without the SDK's own validation."""
    for info in Manifest.load().models(GOOGLE):
        call = call_for(
            GOOGLE,
            info=info,
            llm_config_overrides={"temperature_override": 0.5, "reasoning_effort": "low", "max_tokens_override": 2000},
        )
        fields = parameters(call).model_dump(exclude_unset=True)
        assert types.GenerateContentConfig.model_validate(fields).model_dump(exclude_unset=True) == fields
