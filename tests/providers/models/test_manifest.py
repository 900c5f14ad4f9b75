"""The manifest: what it holds, which requests it admits, what a call costs, how it compares with a provider's list."""

import re
import time
from dataclasses import replace
from datetime import date
from importlib import resources

import pytest

from contracts.enums import LLMProviderType, ReasoningEffort
from contracts.errors import ContentTooLong, InvalidConfig
from contracts.settings import PROVIDER_CLASSES, Settings
from devtools.providers import request_for
from providers.base import Usage
from providers.models.cost import cost
from providers.models.manifest import Difference, Manifest, compare, manifest_from
from providers.models.model_info import Prices
from providers.request.prompt import estimate_tokens

ANTHROPIC, OPENAI, GOOGLE, OPENROUTER, MOCK = LLMProviderType

TODAY = date(2026, 11, 21)

manifest = Manifest.load()
settings = Settings()


def test_it_is_read_once() -> None:
    assert Manifest.load() is manifest


@pytest.mark.parametrize("provider", LLMProviderType)
def test_every_provider_has_models_and_a_default_that_lasts(provider: LLMProviderType) -> None:
    assert manifest.models(provider)
    default = manifest.default(provider)
    assert default in manifest.models(provider)
    assert not default.deprecated
    assert default.shutdown_date is None


@pytest.mark.parametrize(
    "info",
    [info for provider in LLMProviderType for info in manifest.models(provider)],
    ids=lambda info: f"{info.provider.value}-{info.model_id}",
)
def test_every_model_is_sound(info: object) -> None:
    model = next(m for p in LLMProviderType for m in manifest.models(p) if m is info)
    assert 0 < model.max_output <= model.context_window
    assert all(price.input >= 0 and price.output >= price.input for price in model.prices)
    assert model.provider is MOCK or all(price.input > 0 for price in model.prices), "unknown is unknown, never 0"
    assert not model.shutdown_date or model.deprecated
    answer = model.to_response()
    assert answer.model_id == model.model_id
    assert (answer.cost_per_1k_input_tokens is None) is (not model.prices)
    assert all(isinstance(value, bool) for value in answer.capabilities.values())


def test_prices_of_the_answer_are_per_thousand() -> None:
    answer = manifest.default(ANTHROPIC).to_response()
    assert answer.cost_per_1k_input_tokens == 0.0001
    assert answer.cost_per_1k_output_tokens == 0.0005
    unknown = manifest.find(OPENAI, "gpt-5.5")
    assert unknown is not None
    assert unknown.to_response().cost_per_1k_input_tokens is None


def test_a_request_without_a_model_gets_the_operators_default_then_the_manifests() -> None:
    assert manifest.model_for(MOCK, None, request_for(), settings, TODAY).model_id == "mock-judge"
    own = PROVIDER_CLASSES[OPENAI](default_model="gpt-6.1-sol")
    with_own = Settings(providers={**settings.providers, OPENAI: own})
    assert manifest.model_for(OPENAI, None, request_for(), with_own, TODAY).model_id == "gpt-6.1-sol"
    assert manifest.model_for(OPENAI, "gpt-6-luna", request_for(), with_own, TODAY).model_id == "gpt-6-luna"


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        (ANTHROPIC, "gpt-6-luna"),
        (OPENAI, "no-such-model"),
        (MOCK, "mock"),
        (GOOGLE, "vendor/model"),
        (OPENROUTER, "model"),
        (OPENROUTER, "/model"),
        (OPENROUTER, "vendor/"),
    ],
)
def test_an_unknown_model_is_refused(provider: LLMProviderType, model: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        manifest.model_for(provider, model, request_for(), settings, TODAY)
    assert caught.value.details["reason"] == "unknown_model"


@pytest.mark.parametrize(
    ("provider", "model", "last_day"),
    [
        (ANTHROPIC, "claude-sonnet-4-5", date(2026, 11, 29)),
        (GOOGLE, "gemini-2.5-pro", date(2026, 11, 30)),
        (OPENAI, "gpt-5", date(2026, 12, 10)),
        (OPENAI, "gpt-5-mini-2025-08-07", date(2026, 12, 10)),
        (OPENAI, "gpt-5-nano", date(2026, 12, 10)),
        (OPENAI, "gpt-4.1", date(2027, 1, 13)),
        (OPENAI, "gpt-4.1-mini", date(2027, 1, 13)),
        (OPENAI, "gpt-4o", date(2027, 1, 13)),
        (OPENAI, "gpt-4o-mini", date(2027, 1, 13)),
    ],
)
def test_a_model_is_refused_from_the_day_of_its_shutdown(provider: LLMProviderType, model: str, last_day: date) -> None:
    assert manifest.model_for(provider, model, request_for(), settings, last_day).deprecated
    with pytest.raises(InvalidConfig) as caught:
        manifest.model_for(provider, model, request_for(), settings, date.fromordinal(last_day.toordinal() + 1))
    assert caught.value.details["reason"] == "model_shut_down"


def test_any_vendor_and_model_is_let_in_for_openrouter_whatever_its_length() -> None:
    """The worker knows its window; the door does not."""
    info = manifest.model_for(OPENROUTER, "acme/judge:free", request_for("word " * 190_000), settings, TODAY)
    assert (info.model_id, info.prices) == ("acme/judge:free", ())


def test_a_prompt_that_cannot_fit_is_refused() -> None:
    for model, words in (("mock-judge", 128_000), ("gpt-4o", 128_000), ("claude-haiku-4-5", 200_000)):
        provider = next(p for p in LLMProviderType if manifest.find(p, model))
        with pytest.raises(ContentTooLong):
            manifest.model_for(provider, model, request_for("word " * words), settings, TODAY)
        manifest.model_for(provider, model, request_for("word " * (words // 2)), settings, TODAY)


def test_the_room_for_the_answer_counts() -> None:
    info = manifest.default(MOCK)
    prompt = "a b " * ((info.context_window - 40_000) // 2)
    manifest.model_for(MOCK, None, request_for(prompt), settings, TODAY)
    with pytest.raises(ContentTooLong):
        long_answer = request_for(prompt, llm_config_overrides={"max_tokens_override": 60_000})
        manifest.model_for(MOCK, None, long_answer, settings, TODAY)


def test_a_longer_answer_than_the_model_gives_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        asked = request_for(llm_config_overrides={"max_tokens_override": 10_000_000})
        manifest.model_for(ANTHROPIC, None, asked, settings, TODAY)


def test_admission_is_quick() -> None:
    """It runs on every request: 2 µs for a usual prompt, and never more than one walk through a huge one."""
    usual, huge = request_for("word " * 2_000), request_for("word " * 190_000)
    began = time.perf_counter()
    for _ in range(1_000):
        manifest.model_for(ANTHROPIC, None, usual, settings, TODAY)
    assert time.perf_counter() - began < 0.5
    began = time.perf_counter()
    manifest.model_for(ANTHROPIC, None, huge, settings, TODAY)
    assert time.perf_counter() - began < 0.5


def test_what_a_call_costs() -> None:
    price = Prices(input=2.0, output=10.0, cached=0.2, cache_write=2.5, cache_write_1h=4.0)
    info = replace(manifest.default(ANTHROPIC), prices=(price,))
    usage = Usage(1_000_000, 100_000, cached_tokens=400_000, cache_write_tokens=200_000, cache_write_1h_tokens=50_000)
    assert cost(info, usage, TODAY) == pytest.approx(0.4 * 2 + 0.4 * 0.2 + 0.15 * 2.5 + 0.05 * 4 + 0.1 * 10)
    plain = replace(info, prices=(Prices(input=2.0, output=10.0),))
    assert cost(plain, usage, TODAY) is None, "a price that is not known of the cache is not the input's"
    assert cost(plain, Usage(1_000_000, 100_000), TODAY) == pytest.approx(2.0 + 1.0)


def test_an_unknown_price_is_unknown() -> None:
    info = manifest.find(ANTHROPIC, "claude-fable-5-2")
    assert info is not None
    assert cost(info, Usage(100, 100)) is None
    haiku = manifest.default(ANTHROPIC)
    assert cost(haiku, Usage(100_000, 1), TODAY) is not None
    assert cost(haiku, Usage(100_001, 1), TODAY) is None, "long prompts have another price"
    assert cost(info, Usage(100, 100, reported_cost=0.5)) == 0.5, "unless the provider says it"
    assert cost(manifest.default(MOCK), Usage(100, 100)) == 0.0


def test_prices_change_on_their_day() -> None:
    argon = manifest.find(GOOGLE, "gemini-4-argon")
    assert argon is not None
    usage = Usage(1_000_000, 0)
    assert cost(argon, usage, date(2026, 11, 30)) == pytest.approx(2.0)
    assert cost(argon, usage, date(2026, 12, 1)) == pytest.approx(4.0)


def test_tokens_to_reckon_with() -> None:
    """Prompt and whole answer; thinking needs more room, and more of it at a high effort."""
    info = manifest.default(ANTHROPIC)
    prompt = request_for("word " * 4_000)
    usual = estimate_tokens(prompt, info)
    assert 5_000 < usual - 9_216 < 6_000
    at = {
        effort: estimate_tokens(request_for("word " * 4_000, llm_config_overrides={"reasoning_effort": effort}), info)
        for effort in (ReasoningEffort.LOW, ReasoningEffort.MEDIUM, ReasoningEffort.HIGH)
    }
    assert at[ReasoningEffort.LOW] < at[ReasoningEffort.MEDIUM] == usual < at[ReasoningEffort.HIGH]
    assert estimate_tokens(prompt, manifest.default(MOCK)) < usual
    assert estimate_tokens(request_for("x", llm_config_overrides={"max_tokens_override": 9}), info) < 500


def test_compare_with_a_providers_own_list() -> None:
    ours = [info.model_id for info in manifest.models(OPENAI) if not info.is_shut_down(TODAY)]
    later = date(2026, 12, 24)
    assert compare(manifest, OPENAI, ours, TODAY) == []
    listed = [name for name in ours if name != "gpt-6-luna"] + ["gpt-7"]
    found = compare(manifest, OPENAI, listed, later)
    assert Difference(OPENAI, "gpt-6-luna", "not_listed") in found
    assert Difference(OPENAI, "gpt-7", "not_in_manifest") in found
    assert Difference(OPENAI, "gpt-5", "still_listed") in found
    assert Difference(OPENAI, "gpt-5", "not_listed") not in compare(manifest, OPENAI, ["gpt-6-luna"], later)


def test_an_operators_default_that_would_be_refused_is_named() -> None:
    own = PROVIDER_CLASSES[OPENAI](api_key="k", default_model="gpt-5")
    wrong = Settings(providers={**settings.providers, OPENAI: own})
    assert manifest.unusable_defaults(wrong, TODAY) == []
    (line,) = manifest.unusable_defaults(wrong, date(2027, 1, 1))
    assert line.startswith("UMPIRE_OPENAI_DEFAULT_MODEL: gpt-5 was shut down")


def test_a_key_that_it_does_not_know_is_an_error() -> None:
    entry = {"model_id": "m", "display_name": "M", "family": "f", "context_window": 9, "max_output": 9, "colour": "red"}
    with pytest.raises(ValueError, match="colour"):
        manifest_from({"mock": {"default": "m", "models": [entry]}})


def test_openai_shutdown_dates_are_those_of_the_sdk() -> None:
    """The SDK's list of deprecated names gives the dates: ours must not lag behind an upgrade of it."""
    source = resources.files("openai").joinpath("types/shared/chat_model.py").read_text()
    announced = {}
    for names, day in re.findall(
        r'- ((?:"[^"]+",?\s+)+"[^"]+"|"[^"]+"):\s+Announced\s+shutdown\s+date:\s+(\S+?)\.', source
    ):
        announced.update({name: date.fromisoformat(day) for name in re.findall(r'"([^"]+)"', names)})
    assert len(announced) > 20
    for info in manifest.models(OPENAI):
        assert info.shutdown_date == announced.get(info.model_id), info.model_id


def test_anthropic_shutdown_dates_are_those_of_the_sdk() -> None:
    from anthropic.resources.messages.messages import DEPRECATED_MODELS

    for info in manifest.models(ANTHROPIC):
        told = DEPRECATED_MODELS.get(info.model_id)
        ours = info.shutdown_date and f"{info.shutdown_date:%B} {info.shutdown_date.day}"
        assert (told is None) is (ours is None)
        assert told is None or told.startswith(str(ours))
