"""The four providers as tests see them: how each is reached, what a good answer of each is, a call to make."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from contracts.enums import LLMProviderType
from contracts.http import LLMComparisonRequest
from contracts.settings import PROVIDER_CLASSES, Settings
from providers.base import Call, Provider
from providers.factory import make_provider
from providers.models.manifest import Manifest
from providers.models.model_info import ModelInfo
from providers.request.prompt import build_call

REAL = [provider for provider in LLMProviderType if provider is not LLMProviderType.MOCK]

#: What follows an upstream's root in each provider's base URL.
PATHS = {"anthropic": "", "openai": "/v1", "google": "", "openrouter": "/api/v1"}

KEY = "sk-secret-key-of-the-test"
PROMPT = "Which one is better?\n\nEssay A\nThe sea is deep.\n\nEssay B\nThe sea is wide and deep."
VERDICT = {
    "winner": "Essay B",
    "justification": "It says more about the sea than the other one does, and better.",
    "confidence": 4,
}


def settings_for(provider: LLMProviderType, url: str, **more: Any) -> Settings:
    own = PROVIDER_CLASSES[provider](api_key=KEY, base_url=url + PATHS[provider.value], **more)
    return Settings(providers={**{name: cls() for name, cls in PROVIDER_CLASSES.items()}, provider: own})


@asynccontextmanager
async def connected(provider: LLMProviderType, url: str, **more: Any) -> AsyncIterator[Provider]:
    made = make_provider(provider, settings_for(provider, url, **more))
    try:
        yield made
    finally:
        await made.close()


def request_for(prompt: str = PROMPT, **fields: Any) -> LLMComparisonRequest:
    return LLMComparisonRequest(user_prompt=prompt, callback_topic="verdicts", **fields)


def call_for(
    provider: LLMProviderType,
    prompt: str = PROMPT,
    *,
    info: ModelInfo | None = None,
    attempt: str = "q1-1",
    **fields: Any,
) -> Call:
    model = info or Manifest.load().default(provider)
    return build_call(request_for(prompt, **fields), model, attempt_id=attempt)[0]


def body_of(provider: LLMProviderType, text: str | None = None, **changes: Any) -> dict[str, Any]:
    """A good answer of each provider, with usage; `changes` go into its top level."""
    text = json.dumps(VERDICT) if text is None else text
    bodies: dict[LLMProviderType, dict[str, Any]] = {
        LLMProviderType.ANTHROPIC: {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-5-5",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {
                "input_tokens": 100,
                "output_tokens": 50,
                "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 20,
                "cache_creation": {"ephemeral_1h_input_tokens": 5, "ephemeral_5m_input_tokens": 15},
                "output_tokens_details": {"thinking_tokens": 10},
            },
        },
        LLMProviderType.OPENAI: {
            "id": "resp_1",
            "object": "response",
            "model": "gpt-6-luna",
            "status": "completed",
            "output": [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]},
            ],
            "usage": {
                "input_tokens": 150,
                "output_tokens": 50,
                "total_tokens": 200,
                "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 20},
                "output_tokens_details": {"reasoning_tokens": 10},
            },
        },
        LLMProviderType.GOOGLE: {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": text}]},
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 150,
                "candidatesTokenCount": 40,
                "thoughtsTokenCount": 10,
                "cachedContentTokenCount": 30,
            },
            "modelVersion": "gemini-3.8-flash",
        },
        LLMProviderType.OPENROUTER: {
            "id": "gen-1",
            "model": "openai/gpt-6-luna",
            "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {
                "prompt_tokens": 150,
                "completion_tokens": 50,
                "cost": 0.00042,
                "prompt_tokens_details": {"cached_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
        },
    }
    return {**bodies[provider], **changes}
