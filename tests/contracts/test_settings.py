"""Settings: from the environment alone, refused with a clear line that never shows the value."""

import re
from pathlib import Path

import pytest

from contracts.enums import LLMProviderType, ProcessingMode
from contracts.settings import (
    CONCERNS,
    LedgerSettings,
    RetrySettings,
    Settings,
    SettingsError,
    load_settings,
    removed_settings,
    variables,
)

DOCS = Path(__file__).parents[2] / "docs"

ANTHROPIC, OPENAI, MOCK = LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI, LLMProviderType.MOCK
KEY = "sk-canary-1234"

REMOVED = removed_settings()


@pytest.fixture
def load(monkeypatch):
    def with_environment(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"UMPIRE_{name}", value)
        return load_settings()

    return with_environment


def refused(load, **environment):
    with pytest.raises(SettingsError) as error:
        load(**environment)
    return str(error.value)


def test_the_defaults_are_the_designs(load):
    settings = load()
    assert settings.enabled == [MOCK]
    assert settings.default_provider is MOCK
    assert settings.service.default_processing_mode is ProcessingMode.QUEUE_IF_UNAVAILABLE
    assert settings.service.immediate_wait_seconds == 25
    assert settings.service.door_redis_seconds == 1
    assert (settings.ledger.ledger_max_size, settings.ledger.ledger_max_memory_mb) == (200_000, 2_000)
    assert (settings.ledger.ledger_low_watermark, settings.ledger.ledger_high_watermark) == (0.9, 1.0)
    assert (settings.ledger.lease_seconds, settings.ledger.max_lapses) == (30, 5)
    assert settings.ledger.queue_ttl_seconds == 4 * 3600
    assert settings.retry.queue_max_retries == 3
    assert settings.retry.defer_seconds == [5, 30, 120]
    assert settings.service.callback_topics == ["*"]


def test_an_unknown_name_with_our_prefix_stops_the_start(load):
    assert refused(load, REDIS_ULR=KEY) == "UMPIRE_REDIS_ULR: unknown setting"


def test_names_without_our_prefix_are_nobodys_business(load, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "x")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert load().enabled == [MOCK]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty-canary"),
        ("PORT", "70000"),
        ("TEST_LEASE_SECONDS", "0.5"),
        ("DEFAULT_PROVIDER", "canary"),
        ("DEFAULT_PROCESSING_MODE", "canary"),
        ("LOG_LEVEL", "canary"),
        ("ANTHROPIC_BASE_URL", "ftp://canary"),
        ("ANTHROPIC_RPM", "canary"),
        ("MOCK_ERROR_RATE", "1.5"),
        ("TEST_DEFER_SECONDS", "5,canary"),
        ("TEST_DEFER_SECONDS", "5,-1"),
        ("AUTH", "canary"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_and_not_shown(load, name, value):
    message = refused(load, **{name: value})
    assert f"UMPIRE_{name}" in message
    assert "canary" not in message
    assert "70000" not in message


def test_only_per_request_is_a_batching_mode_yet(load):
    assert load(BATCHING_MODE="per_request").service.batching_mode == "per_request"
    assert "UMPIRE_BATCHING_MODE" in refused(load, BATCHING_MODE="provider_batch_api")


def test_all_problems_are_named_at_once(load):
    lines = refused(load, PORT="x", NONSENSE="1", DRAIN_SECONDS="x").splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["UMPIRE_DRAIN_SECONDS", "UMPIRE_NONSENSE", "UMPIRE_PORT"]


@pytest.mark.parametrize("name", sorted(REMOVED))
def test_a_removed_setting_stops_the_start_with_what_to_do(load, name):
    message = refused(load, **{name.removeprefix("UMPIRE_"): KEY})
    assert message == f"{name}: {REMOVED[name]}"
    assert message.endswith("Remove it from the environment")


def test_no_removed_setting_is_a_setting():
    assert not REMOVED.keys() & {name for concern in CONCERNS for name in variables(concern)}


def test_pages_list_settings_and_removed_ones_apart():
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    names = set(re.findall(r"UMPIRE_\w+", page))
    assert not {name for name in names if name in REMOVED or name.startswith("UMPIRE_TEST_")}
    table = (DOCS / "tuning.md").read_text(encoding="utf-8").partition("## Removed settings")[2]
    for name in REMOVED:
        assert f"`{name}`" in table or f"`_{name.removeprefix('UMPIRE_LEDGER_')}`" in table


def test_tests_set_internal_values_and_production_refuses_them(load):
    settings = load(TEST_LEASE_SECONDS="2", TEST_MOCK_RPM="6", AUTH="keys")
    assert (settings.ledger.lease_seconds, settings.mock.rpm) == (2, 6)
    message = refused(load, ENVIRONMENT="production", TEST_LEASE_SECONDS="2")
    assert sorted(line.split(":")[0] for line in message.splitlines()) == [
        "UMPIRE_TEST_LEASE_SECONDS",
        "UMPIRE_TEST_MOCK_RPM",
    ]
    assert "is for tests only" in message


def test_an_unknown_test_variable_stops_the_start(load):
    assert refused(load, TEST_PORT="1") == "UMPIRE_TEST_PORT: unknown setting"


def test_a_constructor_sets_internal_values_by_their_names():
    assert LedgerSettings(lease_seconds=2).lease_seconds == 2
    assert RetrySettings(defer_seconds=[1.0]).defer_seconds == [1.0]


def test_lists_are_separated_by_commas(load):
    settings = load(CALLBACK_TOPICS="a.*, b ,,c", TEST_DEFER_SECONDS="1, 2.5", MOCK_ERROR_CODES="LLM_PROVIDER_TIMEOUT")
    assert settings.service.callback_topics == ["a.*", "b", "c"]
    assert settings.retry.defer_seconds == [1, 2.5]
    assert settings.mock.error_codes == ["LLM_PROVIDER_TIMEOUT"]


def test_an_empty_variable_is_one_that_is_not_set(load):
    settings = load(ANTHROPIC_API_KEY="", PORT="")
    assert settings.enabled == [MOCK]
    assert settings.service.port == 8080


def test_a_provider_with_a_key_is_enabled_and_the_mock_steps_back(load):
    settings = load(OPENAI_API_KEY=KEY, ANTHROPIC_API_KEY=KEY)
    assert settings.enabled == [ANTHROPIC, OPENAI]
    assert settings.default_provider is ANTHROPIC


def test_the_mock_stays_when_asked_for_and_goes_when_forbidden(load):
    assert load(OPENAI_API_KEY=KEY, MOCK_ENABLED="true").enabled == [OPENAI, MOCK]
    assert load(MOCK_ENABLED="false").enabled == [OPENAI]


def test_the_default_provider_is_the_one_that_was_named(load):
    assert load(OPENAI_API_KEY=KEY, ANTHROPIC_API_KEY=KEY, DEFAULT_PROVIDER="openai").default_provider is OPENAI


def test_what_does_not_fit_together_is_refused(load):
    assert "UMPIRE_MOCK_ENABLED" in refused(load, MOCK_ENABLED="false")


def test_a_default_provider_without_a_key_is_refused(load):
    assert refused(load, DEFAULT_PROVIDER="google").startswith("UMPIRE_DEFAULT_PROVIDER: google is not enabled")


def test_an_outbox_that_would_overtake_its_producer_is_refused(load):
    message = refused(load, KAFKA_DELIVERY_TIMEOUT_SECONDS="35")
    assert message.startswith("UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS: must be less than 35")


def test_a_breaker_needs_more_failures_than_one_request_can_give(load):
    settings = load(BREAKER_FAILURES="2", RETRY_ATTEMPTS="4")
    assert settings.breaker_volume == 5
    assert settings.retry.attempt_timeout == pytest.approx(0.9 * 120 / 4)


def test_secrets_are_shown_nowhere(load):
    secrets = {
        "ANTHROPIC_API_KEY": KEY,
        "REDIS_URL": f"redis://:{KEY}@127.0.0.1/0",
        "KAFKA_SASL_PASSWORD": KEY,
        "FLOWER_BASIC_AUTH": f"user:{KEY}",
    }
    assert KEY not in repr(load(**secrets))
    assert KEY not in refused(load, PORT="x")


@pytest.mark.parametrize(
    "url",
    [f"{KEY}@notaurl", f"http://:{KEY}@host/0", f"unix:///{KEY}.sock", f"redis://:{KEY}", f"redis://:{KEY}/x@host/0",
     f"redis://user:{KEY}/x@host/0", f"redis://host:{KEY}/0", f"redis:host:{KEY}"],
)  # fmt: skip
def test_a_wrong_address_of_redis_is_one_clear_line_without_it(load, url):
    message = refused(load, REDIS_URL=url)
    assert message.count("UMPIRE_REDIS_URL") == 1
    assert "\n" not in message
    assert "redis://" in message
    assert KEY not in message


@pytest.mark.parametrize(
    "url", ["redis://host", "rediss://user:p%2Fw@host:6380/1?ssl_cert_reqs=none", "redis://[::1]:1"]
)
def test_an_address_of_redis_is_taken(load, url):
    assert load(REDIS_URL=url).redis.redis_url.get_secret_value() == url


def test_each_variable_is_one_field_of_one_concern():
    names = [name for concern in CONCERNS for name in variables(concern)]
    assert len(names) == len(set(names))
    assert all(name.startswith("UMPIRE_") for name in names)


def test_each_of_the_designs_names_is_known():
    names = {name for concern in CONCERNS for name in variables(concern)}
    wanted = [
        "REDIS_URL",
        "KAFKA_BOOTSTRAP",
        "DEFAULT_PROVIDER",
        "DEFAULT_PROCESSING_MODE",
        "MOCK_LATENCY_MS",
        "MOCK_ENABLED",
        "BREAKER_FAILURES",
        "BREAKER_RECOVERY_SECONDS",
        "QUEUE_TTL_SECONDS",
        "QUEUE_MAX_RETRIES",
        "RETRY_ATTEMPTS",
        "CALL_DEADLINE_SECONDS",
        "DRAIN_SECONDS",
        "IMMEDIATE_WAIT_SECONDS",
        "CALLBACK_TOPICS",
        "AUTH",
        "LEDGER_MAX_SIZE",
        "LEDGER_MAX_MEMORY_MB",
        "FLOWER_BASIC_AUTH",
    ]
    for provider in ("ANTHROPIC", "OPENAI", "GOOGLE", "OPENROUTER"):
        for name in ("API_KEY", "BASE_URL", "DEFAULT_MODEL", "CONCURRENCY", "RPM", "TPM"):
            wanted.append(f"{provider}_{name}")
    assert {f"UMPIRE_{name}" for name in wanted} <= names


def test_settings_are_frozen():
    with pytest.raises(Exception, match="frozen"):
        Settings().service.port = 1


def test_a_low_watermark_is_below_its_high_one(load):
    message = refused(load, QUEUE_LOW_WATERMARK="0.8", QUEUE_HIGH_WATERMARK="0.8")
    assert message == "UMPIRE_…: UMPIRE_QUEUE_LOW_WATERMARK must be below UMPIRE_QUEUE_HIGH_WATERMARK"
    with pytest.raises(ValueError, match="LEDGER_LOW_WATERMARK must be below"):
        LedgerSettings(ledger_low_watermark=0.8, ledger_high_watermark=0.8)


KEYS = [f"{provider.value.upper()}_API_KEY" for provider in LLMProviderType if provider is not MOCK] + ["API_KEY"]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\u00a0", "\u2028"])
def test_white_space_around_a_key_is_dropped(load, name, around):
    """Files end in a line's end, and web pages put no-break spaces around what is copied."""
    settings = load(**{name: around + KEY + around})
    keys = [settings.client.api_key, *(one.api_key for one in settings.hosted.values())]
    assert [key.get_secret_value() for key in keys if key] == [KEY]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("odd", ["\u200b", "\ufeff", "\u00ad", "\x01", "a\nb", "a\u00a0b", "é"])
def test_what_no_header_may_hold_stops_the_start_by_the_variables_name(load, name, odd):
    for value in (odd + KEY, KEY + odd, KEY + odd + KEY):
        message = refused(load, **{name: value})
        assert message.startswith(f"UMPIRE_{name}: holds a character that no HTTP header may hold")
        assert KEY not in message
    assert refused(load, **{name: " \n"}) == f"UMPIRE_{name}: is empty but for white space"


@pytest.mark.parametrize("provider", [one.value.upper() for one in LLMProviderType if one is not MOCK])
def test_a_base_url_has_no_query(load, provider):
    name = f"{provider}_BASE_URL"
    for wrong in (
        "https://h/oai/?api-version=1",
        "https://h/oai?",
        "https://h/#x",
        "http://",
        "https://h:x/",
        "https://h/a b",
    ):
        assert refused(load, **{name: wrong}).startswith(f"UMPIRE_{name}: must ")
    settings = load(**{name: "https://[::1]:8443/oai/v1/\n"})
    assert settings.providers[LLMProviderType(provider.lower())].base_url == "https://[::1]:8443/oai/v1/"


def test_codes_that_no_call_ends_in_are_refused_when_the_environment_is_read(load):
    message = refused(load, MOCK_ERROR_CODES="LLM_PROVIDER_TIMEOUT,LLM_QUOTA_EXCEEDED")
    assert message.startswith("UMPIRE_MOCK_ERROR_CODES: no call to a provider ends in one of these codes")
    assert "UMPIRE_MOCK_ERROR_CODES: " in refused(load, MOCK_ERROR_CODES="timeout")


@pytest.mark.parametrize(
    "url", ["redis://h/x", "redis://h/1/2", "redis://h/-1", "http://h/0", "redis://", "redis://h?ssl_cert_reqs=no"]
)
def test_a_redis_url_names_a_database_by_its_number(load, url):
    assert refused(load, REDIS_URL=url).startswith("UMPIRE_REDIS_URL: must be redis://")


def test_a_redis_url_may_end_its_line(load):
    assert load(REDIS_URL="redis://h:1/2\n").redis.address() == ("redis://h:1/2", {})
