"""compose.yaml and the Dockerfile, as far as they can be held without a container engine: every command in them is one
that other tests run, no secret is written down, and what has no password stays on this machine.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from umpire_cli import ROOT

import cli.main
from contracts.enums import LLMProviderType
from contracts.settings import CONCERNS, variables

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("umpire-service")}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/umpire.json").read_text())

KNOWN = {name for concern in CONCERNS for name in variables(concern)}


def test_every_part_of_the_design_is_there() -> None:
    workers = {f"worker-{provider.value}" for provider in LLMProviderType}
    assert set(SERVICES) == {"api", "flower", "topics", "redis", "kafka", "prometheus", "grafana"} | workers


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_and_an_exact_version(name: str) -> None:
    service = SERVICES[name]
    assert "healthcheck" in service or name in {"api", "topics"}  # the API's is the image's own; the other one ends
    assert re.search(r":v?\d+\.\d+", service["image"]), "no floating tag"
    assert service["restart"] == ("on-failure" if name == "topics" else "unless-stopped")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", OURS)
def test_our_commands_are_real_ones(name: str) -> None:
    """Parsed by the command itself, up to where it would run."""
    program, *arguments = OURS[name]["command"]
    assert program == "umpire"
    group: Any = cli.main.typer.main.get_command(cli.main.app)
    _, command, rest = group.resolve_command(
        group.make_context("umpire", list(arguments), resilient_parsing=True), arguments
    )
    context = command.make_context(command.name, rest)
    if name.startswith("worker-"):
        assert f"worker-{context.params['provider'].value}" == name
        assert OURS[name]["profiles"] == [context.params["provider"].value]


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_with_few_rights(name: str) -> None:
    service = OURS[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert {"redis", "kafka"} <= set(service["depends_on"])


@pytest.mark.parametrize("name", OURS)
def test_every_other_setting_reaches_our_services_by_one_file(name: str) -> None:
    """What `umpire tune` advises, among others: `environment` goes before the file, and must not name it."""
    assert OURS[name]["env_file"] == [{"path": "umpire.env", "required": False}]
    fixed = set(OURS[name]["environment"])
    for setting in ("CONCURRENCY", "RPM", "TPM", "PROCESSES", "DEFAULT_MODEL"):
        assert not {variable for variable in fixed if variable.endswith(setting)}
    free = {"UMPIRE_API_PROCESSES", "UMPIRE_LOG_LEVEL", "UMPIRE_LOG_FORMAT", "UMPIRE_CALL_DEADLINE_SECONDS"}
    free |= {"UMPIRE_DRAIN_SECONDS", "UMPIRE_DEFAULT_PROVIDER", "UMPIRE_CALLBACK_TOPICS", "UMPIRE_MOCK_ENABLED"}
    assert free <= KNOWN
    assert not free & fixed
    # Nothing that is there but empty would hide what the file says.
    assert not {variable for variable, value in OURS[name]["environment"].items() if value == ""}


def test_nothing_runs_as_root() -> None:
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    for name in ("redis", "prometheus", "grafana"):
        assert SERVICES[name]["user"] != "root"
    assert "user" not in SERVICES["kafka"]  # its image has a user of its own: appuser


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_down_and_no_setting_is_misspelt(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if variable != "UMPIRE_AUTH" and re.search("KEY|PASSWORD|AUTH", variable):
            assert re.fullmatch(r"\$\{[A-Z_]+:[-?+][^}]*\}", value), variable
            assert not re.search(r":-.+\}", value), f"{variable} has a default"
        if variable.startswith("UMPIRE_"):
            assert variable in KNOWN


def test_a_providers_key_is_for_its_own_workers_only() -> None:
    """`:+` gives a text in place of the key where there is one: enough to be told of the provider."""
    for provider in LLMProviderType:
        variable = f"UMPIRE_{provider.value.upper()}_API_KEY"
        given = {name for name in OURS if OURS[name]["environment"].get(variable) == f"${{{variable}:-}}"}
        assert given == ({f"worker-{provider.value}"} if provider is not LLMProviderType.MOCK else set())
        told = {name for name in OURS if re.match(r"\$\{\w+:\+", OURS[name]["environment"].get(variable, ""))}
        assert provider is LLMProviderType.MOCK or given | told == set(OURS)


def test_passwords_are_required_where_there_is_one() -> None:
    assert ":?" in SERVICES["flower"]["environment"]["UMPIRE_FLOWER_BASIC_AUTH"]
    assert ":?" in SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]


def test_the_api_lets_nobody_in_without_a_key() -> None:
    assert SERVICES["api"]["environment"]["UMPIRE_AUTH"] == "keys"


def test_ports_are_published_on_this_machine_only_and_the_stores_not_at_all() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api", "flower", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_a_worker_may_finish_what_it_has_paid_for() -> None:
    from contracts.settings import WorkerSettings

    for name, service in OURS.items():
        if name.startswith("worker-"):
            assert int(service["stop_grace_period"].removesuffix("s")) > WorkerSettings().drain_seconds


def test_redis_keeps_what_was_accepted() -> None:
    """The same promises as the embedded one's configuration."""
    from cli.stack.embedded import EmbeddedRedis

    command = " ".join(SERVICES["redis"]["command"])
    for option in (
        "--appendonly yes",
        "--appendfsync always",
        "--maxmemory-policy noeviction",
        "--auto-aof-rewrite-min-size 512mb",
    ):
        assert option in command
        assert f"\n{option.removeprefix('--')}\n" in EmbeddedRedis(Path("x"))._configuration()
    for name in ("redis", "kafka"):
        volume = SERVICES[name]["volumes"][0].split(":")[0]
        assert volume in COMPOSE["volumes"]


def test_the_image_is_built_from_the_hashed_lock() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "requirements.lock" in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE


def test_every_room_is_in_the_image() -> None:
    """.dockerignore lets in what it names, and nothing else."""
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "chaos", "devtools", "tests"}
    assert kept == rooms | {"pyproject.toml", "README.md", "requirements.lock"}


def test_prometheus_scrapes_the_api_flower_and_every_worker() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    targets = {(name, one["port"]) for job in jobs for one in job["dns_sd_configs"] for name in one["names"]}
    scraped = [name for name in OURS if name.startswith("worker-") or name == "flower"]
    ports = {(name, int(SERVICES[name]["environment"]["UMPIRE_METRICS_PORT"])) for name in scraped}
    assert targets == {("api", 8080)} | ports
    assert {SERVICES[name]["environment"]["UMPIRE_METRICS_HOST"] for name in scraped} == {"0.0.0.0"}  # noqa: S104


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    from telemetry.metrics.table import PREFIX, TABLE

    counted = {PREFIX + metric.name for metrics in TABLE.values() for metric in metrics}
    source = (ROOT / "service/routes/health.py").read_text()
    read = {PREFIX + name for name in re.findall(r'gauge\("(\w+)"', source)}
    known = counted | read | {f"{name}_bucket" for name in counted} | {f"{name}_count" for name in counted}
    asked = {
        name
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
        for name in re.findall(rf"{PREFIX}\w+", target["expr"])
    }
    assert asked
    assert asked <= known, asked - known
