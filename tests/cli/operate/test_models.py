"""`umpire models` and `umpire models check`."""

import json

import pytest
from umpire_cli import umpire

from contracts.enums import LLMProviderType
from contracts.http import ModelManifestResponse
from devtools.aimock import Aimock
from providers.models.manifest import Manifest


def test_the_table_shows_defaults_and_says_unknown_not_0() -> None:
    done = umpire("models", "--provider", "openai")
    assert done.returncode == 0
    default = Manifest.load().default(LLMProviderType.OPENAI).model_id
    row = next(line for line in done.stdout.splitlines() if f" {default} " in line)
    assert "default" in row
    assert "unknown" in done.stdout


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_no_id_is_cut_off_on_a_narrow_terminal(columns: str) -> None:
    words = set(umpire("models", COLUMNS=columns).stdout.split())
    ids = {info.model_id for one in LLMProviderType for info in Manifest.load().models(one)} - {"mock-judge"}
    assert ids <= words
    lines = umpire("models", COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80


def test_json_has_the_shape_of_the_api() -> None:
    answer = ModelManifestResponse.model_validate_json(umpire("models", "--json").stdout)
    assert set(answer.providers) == {"anthropic", "openai", "google", "openrouter"}
    assert answer.total_models == sum(len(models) for models in answer.providers.values())
    assert set(json.loads(umpire("models", "--json", "--provider", "mock").stdout)["providers"]) == {"mock"}


def test_check_agrees_with_the_mock() -> None:
    done = umpire("models", "check")
    assert (done.returncode, done.stdout) == (0, "the manifest and the providers agree\n")


def test_check_is_exit_1_when_a_default_model_is_not_listed() -> None:
    done = umpire("models", "check", UMPIRE_MOCK_DEFAULT_MODEL="no-such-judge")
    assert done.returncode == 1
    assert "mock does not list no-such-judge" in done.stderr


def test_check_is_exit_1_when_a_provider_cannot_be_asked() -> None:
    done = umpire("models", "check", UMPIRE_OPENAI_API_KEY="sk-test", UMPIRE_OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    assert done.returncode == 1
    assert "openai could not be asked" in done.stderr
    assert "sk-test" not in done.stdout + done.stderr


@pytest.mark.aimock
def test_check_asks_the_real_adapter(aimock: Aimock) -> None:
    """aimock lists models of its own, so that the manifest's default is missing: a table, and exit 1."""
    done = umpire("models", "check", UMPIRE_OPENAI_API_KEY="sk-test", UMPIRE_OPENAI_BASE_URL=f"{aimock.url}/v1")
    assert done.returncode == 1
    assert "not listed by the provider" in done.stdout
