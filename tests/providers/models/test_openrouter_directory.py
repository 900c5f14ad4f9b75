"""OpenRouter's own list: kept for an hour, fetched once however many ask, and good enough when it is stale."""

import asyncio
import json
from typing import Any

import pytest

from contracts.enums import LLMProviderType, ReasoningEffort
from contracts.errors import ContentTooLong, InvalidConfig, ParsingError, ProviderUnavailable
from devtools.providers import call_for, connected, request_for
from devtools.upstream import answer, upstream
from providers.base import Usage
from providers.models import openrouter_directory
from providers.models.cost import cost
from providers.models.manifest import Manifest
from providers.models.openrouter_directory import Directory
from providers.request.prompt import build_call
from telemetry.observer import Note

OPENROUTER = LLMProviderType.OPENROUTER

ACME = {
    "id": "acme/judge",
    "name": "Acme: Judge",
    "created": 1_790_000_000,
    "context_length": 64_000,
    "supported_parameters": ["max_tokens", "temperature", "structured_outputs", "response_format", "reasoning"],
    "top_provider": {"context_length": 32_000, "max_completion_tokens": 8_000, "is_moderated": True},
    "pricing": {"prompt": "0.000001", "completion": "0.000004", "input_cache_read": "0.0000001", "request": "0"},
}
PLAIN = {"id": "acme/plain", "context_length": 8_000, "supported_parameters": ["max_tokens"], "pricing": {}}
AUTO = {"id": "acme/auto", "context_length": 8_000, "pricing": {"prompt": "-1", "completion": "-1"}}
GONE = {"id": "acme/gone", "context_length": 8_000, "pricing": {}, "expiration_date": "2026-01-01"}


class Pages:
    """Gives the list, or raises; counts how often it is asked."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.body = json.dumps({"data": list(entries)}).encode()
        self.fails = False
        self.asked = 0

    async def __call__(self, offset: int) -> bytes:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise ProviderUnavailable("no connection")
        return self.body


async def test_capabilities_and_limits_come_from_the_list() -> None:
    directory = Directory(Pages(ACME, PLAIN, AUTO))
    acme = await directory.resolve("acme/judge")
    assert (acme.context_window, acme.max_output) == (32_000, 8_000), "as the provider that serves it says"
    assert (acme.structured_outputs, acme.temperature, acme.verbosity) == (True, True, False)
    assert ReasoningEffort.LOW in acme.effort
    assert cost(acme, Usage(1_000_000, 1_000_000, cached_tokens=500_000)) == pytest.approx(0.5 + 0.05 + 4)
    plain = await directory.resolve("acme/plain")
    assert (plain.structured_outputs, plain.temperature, plain.effort) == (False, False, frozenset())
    assert plain.prices == ()
    assert (await directory.resolve("acme/auto")).prices == (), "a price that depends is not known"
    untold = await Directory(Pages({"id": "acme/untold"})).resolve("acme/untold")
    assert call_for(OPENROUTER, info=untold).max_tokens > 0


async def test_a_variant_has_its_models_capabilities_and_its_own_name() -> None:
    info = await Directory(Pages(ACME)).resolve("acme/judge:nitro")
    assert (info.model_id, info.context_window) == ("acme/judge:nitro", 32_000)


@pytest.mark.parametrize(
    ("model", "explicit"),
    [("openai/gpt-5.6-luna", True), ("openai/gpt-6", True), ("openai/gpt-6.1-terra", True), ("openai/gpt-5.10", True),
     ("openai/gpt-5.5", False), ("openai/gpt-5-mini", False), ("openai/gpt-4o", False), ("openai/gpt-oss-120b", False),
     ("acme/gpt-6", False)],
)  # fmt: skip
async def test_openais_newer_models_cache_at_a_price(model: str, explicit: bool) -> None:
    info = await Directory(Pages({"id": model})).resolve(model)
    assert info.explicit_cache is explicit


@pytest.mark.parametrize("model", ["acme/nothing", "acme/gone"])
async def test_what_is_not_listed_is_refused(model: str) -> None:
    with pytest.raises(InvalidConfig):
        await Directory(Pages(ACME, GONE)).resolve(model)


async def test_a_model_of_the_manifest_needs_no_list() -> None:
    pages = Pages()
    pages.fails = True
    default = Manifest.load().default(OPENROUTER)
    assert await Directory(pages).resolve(default.model_id) is default
    assert pages.asked == 0


async def test_many_ask_and_it_is_fetched_once() -> None:
    pages = Pages(ACME)
    directory = Directory(pages)
    await asyncio.gather(*(directory.resolve("acme/judge") for _ in range(50)))
    await directory.resolve("acme/judge")
    assert pages.asked == 1


async def test_it_is_fetched_anew_after_an_hour_and_kept_when_that_fails() -> None:
    now = 1000.0
    pages, notes = Pages(ACME), list[Note]()
    directory = Directory(pages, notes.append, clock=lambda: now)
    await directory.resolve("acme/judge")
    now += openrouter_directory.KEPT - 1
    await directory.resolve("acme/judge")
    assert pages.asked == 1
    now += 2
    pages.fails = True
    assert (await directory.resolve("acme/judge")).context_window == 32_000
    assert pages.asked == 2
    assert [note.what for note in notes] == ["openrouter.directory.stale"]
    await directory.resolve("acme/judge")
    assert pages.asked == 2, "an outage is not asked about on every call"
    now += openrouter_directory.RETRY + 1
    pages.fails = False
    pages.body = json.dumps({"data": [PLAIN]}).encode()
    with pytest.raises(InvalidConfig):
        await directory.resolve("acme/judge")
    assert pages.asked == 3


async def test_without_any_list_the_error_is_the_providers() -> None:
    pages = Pages(ACME)
    pages.fails = True
    directory = Directory(pages)
    with pytest.raises(ProviderUnavailable):
        await directory.resolve("acme/judge")
    pages.fails = False
    assert (await directory.resolve("acme/judge")).model_id == "acme/judge", "and is not remembered"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data": 3}', b"<html>"])
async def test_a_list_that_cannot_be_read(body: bytes) -> None:
    pages = Pages()
    pages.body = body
    with pytest.raises(ParsingError):
        await Directory(pages).resolve("acme/judge")


async def test_all_pages_are_read_through_the_adapters_client() -> None:
    first = {"data": [ACME], "links": {"next": "/api/v1/models?offset=1"}, "total_count": 2}
    async with (
        upstream(answer(200, first), answer(200, {"data": [PLAIN], "links": {"next": None}})) as server,
        connected(OPENROUTER, server.url) as adapter,
    ):
        assert (await adapter.model_info("acme/plain")).context_window == 8_000
        assert (await adapter.model_info("acme/judge")).context_window == 32_000
        assert [call["path"] for call in server.calls] == ["/api/v1/models", "/api/v1/models?offset=1"]


async def test_the_worker_refuses_what_the_door_could_not_know() -> None:
    info = await Directory(Pages(PLAIN)).resolve("acme/plain")
    with pytest.raises(ContentTooLong):
        build_call(request_for("word " * 8_000), info, attempt_id="a")
    call = call_for(OPENROUTER, info=info)
    assert "JSON object" in call.system, "a model without structured outputs is asked in words"
