"""Settings: from the environment alone, refused with a clear line that never shows the value."""

import pytest

from contracts.enums import LLMProviderType, ProcessingMode
from contracts.settings import Settings, SettingsError, load_settings
from contracts.settings.load import CONCERNS, variables

ANTHROPIC, OPENAI, MOCK = LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI, LLMProviderType.MOCK
KEY = "sk-canary-1234"


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
        ("LEASE_SECONDS", "0.5"),
        ("DEFAULT_PROVIDER", "canary"),
        ("DEFAULT_PROCESSING_MODE", "canary"),
        ("LOG_LEVEL", "canary"),
        ("ANTHROPIC_BASE_URL", "ftp://canary"),
        ("ANTHROPIC_RPM", "canary"),
        ("MOCK_ERROR_RATE", "1.5"),
        ("DEFER_SECONDS", "5,canary"),
        ("DEFER_SECONDS", "5,-1"),
        ("AUTH", "canary"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_and_not_shown(load, name, value):
    message = refused(load, **{name: value})
    assert f"UMPIRE_{name}" in message
    assert "canary" not in message
    assert "70000" not in message


def test_all_that_is_wrong_is_told_at_once(load):
    lines = refused(load, PORT="x", NONSENSE="1", LEASE_SECONDS="x").splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["UMPIRE_LEASE_SECONDS", "UMPIRE_NONSENSE", "UMPIRE_PORT"]


def test_lists_are_separated_by_commas(load):
    settings = load(CALLBACK_TOPICS="a.*, b ,,c", DEFER_SECONDS="1, 2.5", MOCK_ERROR_CODES="LLM_PROVIDER_TIMEOUT")
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


def test_the_mocks_key_does_not_enable_it_beside_others(load):
    assert load(OPENAI_API_KEY=KEY, MOCK_API_KEY=KEY).enabled == [OPENAI]


def test_the_default_provider_is_the_one_that_was_named(load):
    assert load(OPENAI_API_KEY=KEY, ANTHROPIC_API_KEY=KEY, DEFAULT_PROVIDER="openai").default_provider is OPENAI


def test_what_does_not_fit_together_is_refused(load):
    assert "UMPIRE_MOCK_ENABLED" in refused(load, MOCK_ENABLED="false")


def test_a_default_provider_without_a_key_is_refused(load):
    assert refused(load, DEFAULT_PROVIDER="google").startswith("UMPIRE_DEFAULT_PROVIDER: google is not enabled")


def test_an_outbox_that_would_overtake_its_producer_is_refused(load):
    message = refused(load, OUTBOX_RESEND_SECONDS="30", KAFKA_DELIVERY_TIMEOUT_SECONDS="30")
    assert message.startswith("UMPIRE_OUTBOX_RESEND_SECONDS")


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
        "BREAKER_SUCCESSES",
        "QUEUE_TTL_SECONDS",
        "QUEUE_MAX_RETRIES",
        "RETRY_ATTEMPTS",
        "DEFER_SECONDS",
        "CALL_DEADLINE_SECONDS",
        "LEASE_SECONDS",
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
    assert "must be below UMPIRE_LEDGER_HIGH_WATERMARK" in refused(
        load, LEDGER_LOW_WATERMARK="0.8", LEDGER_HIGH_WATERMARK="0.8"
    )
