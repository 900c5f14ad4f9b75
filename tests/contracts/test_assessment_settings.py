"""Settings of the assessment: their names, defaults and bounds."""

import pytest

from contracts.enums import LLMBatchingMode, LLMProviderType
from contracts.settings import AssessmentSettings, DatabaseSettings, SettingsError, load_settings

KEY = "canary"


@pytest.fixture
def setting(monkeypatch):
    def set_all(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"UMPIRE_{name}", value)

    return set_all


def refused():
    with pytest.raises(SettingsError) as error:
        load_settings()
    return str(error.value)


def test_the_defaults_are_the_contracts():
    settings = AssessmentSettings()
    assert (settings.batch_size, settings.max_concurrent_batches, settings.partial_completion_threshold) == (
        50,
        3,
        0.85,
    )
    assert (settings.max_comparisons_per_essay, settings.max_pairwise_comparisons) == (24, None)
    assert (settings.target_reliability, settings.min_comparisons_per_essay) == (0.90, 8)
    assert (settings.failed_pool_threshold, settings.max_attempts) == (20, 3)
    assert (settings.straggler_seconds, settings.stuck_seconds, settings.monitor_seconds) == (120, 14_400, 300)
    assert (settings.default_provider, settings.default_model, settings.default_temperature) == (None, None, None)
    assert settings.batching_mode is LLMBatchingMode.PER_REQUEST
    assert (settings.batching_hints, settings.seed, settings.text_retention_days) == (False, None, None)
    assert settings.callback_topic == "huleedu.cj_assessment.callback.v1"
    assert (settings.iterative, settings.max_cost_usd) == (True, None)


def test_each_is_read_from_its_variable(setting):
    setting(
        CJ_BATCH_SIZE="200", CJ_DEFAULT_PROVIDER="google", CJ_DEFAULT_TEMPERATURE="0", CJ_ITERATIVE="false",
        CJ_SEED="7", CJ_MAX_COST_USD="2.5", CJ_BATCHING_MODE="serial_bundle", CJ_TEXT_RETENTION_DAYS="0",
        COMPARISON_URL="https://h/umpire", COMPARISON_API_KEY=KEY, CONTENT_URL="http://content:8000",
    )  # fmt: skip
    load_settings()
    settings, database = AssessmentSettings(), DatabaseSettings()
    assert (settings.batch_size, settings.default_provider) == (200, LLMProviderType.GOOGLE)
    assert (settings.default_temperature, settings.iterative, settings.seed) == (0.0, False, 7)
    assert (settings.max_cost_usd, settings.batching_mode) == (2.5, LLMBatchingMode.SERIAL_BUNDLE)
    assert settings.text_retention_days == 0
    assert (database.comparison_url, database.content_url) == ("https://h/umpire", "http://content:8000")
    assert KEY not in repr(database)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CJ_BATCH_SIZE", "9"), ("CJ_BATCH_SIZE", "201"), ("CJ_MAX_CONCURRENT_BATCHES", "6"),
        ("CJ_PARTIAL_COMPLETION_THRESHOLD", "0.49"), ("CJ_TARGET_RELIABILITY", "1"), ("CJ_MAX_ATTEMPTS", "0"),
        ("CJ_DEFAULT_TEMPERATURE", "2.1"), ("CJ_BATCHING_MODE", "all"), ("CJ_MAX_COST_USD", "0"),
        ("CJ_CALLBACK_TOPIC", "a b"), ("CJ_CALLBACK_TOPIC", "__x"), ("CONTENT_URL", "ftp://x"),
        ("COMPARISON_URL", "x"), ("COMPARISON_API_KEY", "\u200bx"),
    ],
)  # fmt: skip
def test_a_wrong_value_stops_every_process_by_its_name(setting, name, value):
    setting(**{name: value})
    assert refused().startswith(f"UMPIRE_{name}: ")


def test_a_name_that_is_no_setting_stops_every_process(setting):
    setting(CJ_BATCHSIZE="50")
    assert refused() == "UMPIRE_CJ_BATCHSIZE: unknown setting"


def test_the_least_comparisons_are_not_more_than_the_most(setting):
    setting(CJ_MIN_COMPARISONS_PER_ESSAY="25")
    assert "MIN_COMPARISONS_PER_ESSAY must be at most" in refused()


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///a/b.sqlite3", "sqlite+aiosqlite:///a/b.sqlite3"),
        ("sqlite:////a/b.sqlite3\n", "sqlite+aiosqlite:////a/b.sqlite3"),
        ("sqlite+aiosqlite:///a", "sqlite+aiosqlite:///a"),
        ("postgresql://u:p%40w@h:5432/d", "postgresql+psycopg://u:p%40w@h:5432/d"),
        ("postgresql+psycopg:///d?host=/run/pg", "postgresql+psycopg:///d?host=/run/pg"),
    ],
)
def test_a_database_url_names_its_driver(setting, url, driver):
    setting(DATABASE_URL=url)
    load_settings()
    assert DatabaseSettings().sqlalchemy_url == driver


@pytest.mark.parametrize(
    "url", [KEY, f"mysql://u:{KEY}@h/d", f"postgresql://u:{KEY}@h", "sqlite://", "sqlite:///:memory:", f"postgresql://h:{KEY}/d",
            "sqlite:///a?mode=ro"]
)  # fmt: skip
def test_a_wrong_database_url_is_one_line_without_it(setting, url):
    setting(DATABASE_URL=url)
    message = refused()
    assert message.startswith("UMPIRE_DATABASE_URL: must be sqlite:///path")
    assert "\n" not in message
    assert KEY not in message
