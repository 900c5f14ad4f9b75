"""The advice: the knee, what a quota allows, and settings by Little's law that the settings loader takes."""

import os
from dataclasses import replace

import pytest

from cli.tune.advice import LOOP_SHARE, OWN_CPU_SECONDS, WORKER_CPU_SECONDS, Advice, Machine, Quota, advise, cores
from cli.tune.level import Latency, LoadLevel, find_knee, is_limited
from cli.tune.report import advice_lines
from contracts.enums import LLMProviderType
from contracts.settings import Settings, load_settings

ANTHROPIC = LLMProviderType.ANTHROPIC
UNKNOWN = Quota()


def level(concurrency: int, rate: float, each: float, **more: object) -> LoadLevel:
    calls = 100
    made = LoadLevel(
        concurrency=concurrency, seconds=5.0, calls=calls, verdicts=calls, refusals=0, errors={}, rate=rate,
        latency=Latency(each, each, each, each), tokens=1000, cost=0.0, late=0.0,
    )  # fmt: skip
    return replace(made, **more)


def upstream(capacity: int, seconds: float, *concurrencies: int) -> list[LoadLevel]:
    """A provider that works on so many calls at a time and lets the others wait."""
    return [
        level(n, min(n, capacity) / seconds, seconds * max(1.0, n / capacity))
        for n in concurrencies or (1, 2, 4, 8, 16, 32, 64, 128)
    ]


def advice(levels: list[LoadLevel], quota: Quota = UNKNOWN, target: float | None = None) -> Advice:
    made = advise(levels, quota, ANTHROPIC, Settings(), target)
    assert made is not None
    return made


def value(made: Advice, name: str) -> float:
    return next(setting.value for setting in made.settings if setting.variable == f"UMPIRE_{name}")


def test_the_knee_is_the_smallest_level_that_brings_nearly_everything() -> None:
    levels = upstream(32, 2.0)
    knee = find_knee(levels)
    assert knee
    assert knee.concurrency == 32
    assert is_limited(levels, knee)


def test_a_level_where_calls_wait_for_each_other_is_no_knee_though_it_brings_more() -> None:
    levels = [level(1, 1, 1.0), level(2, 2, 1.0), level(4, 2.6, 2.6)]
    knee = find_knee(levels)
    assert knee
    assert knee.concurrency == 2


def test_a_level_of_which_some_per_cent_were_refused_is_no_knee_and_tells_that_there_is_one() -> None:
    refused = level(8, 9, 1.0, refusals=10, verdicts=90, cut=True)
    levels = [level(1, 1, 1.0), level(4, 4, 1.0), refused]
    knee = find_knee(levels)
    assert knee
    assert knee.concurrency == 4
    assert is_limited(levels, knee)
    assert find_knee([refused]) is None
    assert advise([refused], Quota(), ANTHROPIC, Settings()) is None


def test_a_level_that_was_broken_off_counts_from_a_calls_time_on() -> None:
    assert find_knee([level(1, 1, 1.0, cut=True, seconds=0.5)]) is None
    assert find_knee([level(1, 1, 1.0, cut=True, seconds=1.5)])


def test_where_no_knee_was_reached_nobody_says_there_is_one() -> None:
    made = advice(upstream(1000, 1.0, 1, 2, 4))
    assert (made.limited, made.rate, made.bound) == (False, 4.0, "")
    assert any("No knee was reached" in note for note in made.notes)


def test_slots_are_the_rate_times_the_seconds_and_some_to_spare() -> None:
    made = advice(upstream(1000, 3.0, 1, 10, 100), target=20.0)
    assert value(made, "ANTHROPIC_CONCURRENCY") == 76, "20/s × 3.013 s = 60.3, and a quarter"
    assert (made.processes, made.bound) == (1, "target")


def test_slots_do_not_go_beyond_the_knee() -> None:
    made = advice(upstream(32, 2.0))
    assert (made.rate, made.bound) == (16.0, "knee")
    assert value(made, "ANTHROPIC_CONCURRENCY") == 33, "16/s × 2.013 s, rounded up"


def test_a_quota_bounds_the_rate_by_requests_or_by_tokens() -> None:
    levels = upstream(1000, 1.0)
    by_requests = advice(levels, Quota(rpm=600, tpm=10_000_000, source="configured"))
    assert by_requests.bound == "RPM"
    assert by_requests.rate == pytest.approx(10 * 59 / 60), "the limiter keeps a second's worth back"
    by_tokens = advice(levels, Quota(rpm=4000, tpm=600_000, source="configured"))
    assert by_tokens.bound == "TPM"
    assert by_tokens.rate == pytest.approx(10 * 59 / 60), "1,000 tokens a verdict"
    assert value(by_tokens, "ANTHROPIC_RPM") == 4000
    assert value(by_tokens, "ANTHROPIC_TPM") == 600_000


def test_a_target_beyond_what_is_possible_is_cut_down_and_said_so() -> None:
    made = advice(upstream(32, 2.0), target=100.0)
    assert (made.rate, made.bound) == (16.0, "knee")
    assert any("100/s is more than possible" in note for note in made.notes)


def test_a_target_beyond_what_was_measured_is_reckoned_and_said_so() -> None:
    made = advice(upstream(1000, 3.0, 1, 10, 100), target=333.0)
    assert made.rate == 333.0
    assert any("not measured" in note for note in made.notes)


def test_processes_are_as_many_as_their_cpu_needs_and_share_the_slots() -> None:
    most = LOOP_SHARE / WORKER_CPU_SECONDS
    assert advice(upstream(10**6, 0.02), target=most).processes == 1
    made = advice(upstream(10**6, 0.02), target=most * 1.5)
    assert made.processes == 2
    assert value(made, "ANTHROPIC_CONCURRENCY") * 2 >= most * 1.5 * 0.02


def test_processes_are_by_the_cpu_of_a_call_here_and_held_against_this_machines_cores() -> None:
    levels = [level(1, 1, 1.0, cpu=0.009), level(64, 64, 1.0, cpu=0.004), level(128, 1000, 0.1, cpu=0.001, calls=5)]
    here = Machine.here(levels)
    assert here == Machine(cores(), 0.004 + OWN_CPU_SECONDS, 0.004), "of the busiest level with enough calls"
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert Machine.here([level(1, 1, 1.0)]).comparison == WORKER_CPU_SECONDS
    slow = advise(levels, UNKNOWN, ANTHROPIC, Settings(), 400.0, Machine(2, 0.01, 0.0088))
    assert slow is not None
    assert slow.processes == 5, "4 cores, 0.8 of one for each"
    assert any("need 4.0 cores, and this machine has 2" in note for note in slow.notes)
    assert "4 of this machine's 2 cores" in next(one.because for one in slow.settings if "PROCESSES" in one.variable)


def test_it_tells_what_an_hour_costs_and_the_next_command() -> None:
    paid = advice([level(1, 1, 1.0, cost=0.1), level(8, 8, 1.0, cost=0.1)])
    assert paid.hourly == pytest.approx(8 * 3600 * 0.1 / 100)
    lines = advice_lines(paid, "anthropic", 80)
    assert "8.0 comparisons a second for $28.80 an hour" in " ".join(lines)
    assert lines[-1] == "# umpire worker --provider anthropic"
    unknown = advice([level(8, 8, 1.0, cost=None)])
    assert unknown.hourly is None
    assert "at an unknown price" in " ".join(advice_lines(unknown, "anthropic", 80))


def test_slow_calls_lengthen_deadline_and_drain_and_fast_ones_leave_them() -> None:
    fast, slow = advice(upstream(1000, 2.0)), advice(upstream(1000, 30.0))
    assert value(fast, "CALL_DEADLINE_SECONDS") == Settings().retry.call_deadline_seconds
    assert value(slow, "CALL_DEADLINE_SECONDS") == 400, "3 attempts of 4 × 30 s, which share 90 % of it"
    assert value(slow, "DRAIN_SECONDS") == 405


def test_it_says_when_the_machine_was_what_was_measured() -> None:
    late = [*upstream(1000, 0.05, 1, 2), level(4, 80, 0.05, late=0.02)]
    assert any("this process was late by 20 ms" in note for note in advice(late).notes)


@pytest.mark.parametrize("provider", LLMProviderType)
def test_the_settings_loader_takes_the_export_lines(provider: LLMProviderType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMPIRE_MOCK_ENABLED", "true")
    limited = provider is not LLMProviderType.MOCK  # the mock has no rate limit
    rpm, tpm = (4000, 4_000_000) if limited else (None, None)
    made = advise(upstream(1000, 30.5), Quota(rpm, tpm, source="configured"), provider, Settings(), target=5.0)
    assert made
    lines = advice_lines(made, provider.value, 80)
    exports = [line.removeprefix("export ").split("=") for line in lines if not line.startswith("#")]
    assert len(exports) == len(made.settings) == (6 if limited else 4)
    for name, text in exports:
        monkeypatch.setenv(name, text)
    loaded = load_settings()
    own = loaded.providers[provider]
    assert (own.concurrency, own.rpm, own.tpm) == (191, rpm, tpm)
    assert loaded.retry.call_deadline_seconds == 407
    assert loaded.retry.attempt_timeout >= 4 * 30.5
    assert loaded.worker.drain_seconds == 412


def test_lines_stay_comments_in_a_narrow_terminal() -> None:
    for line in advice_lines(advice(upstream(10**6, 0.02), target=5000.0), "anthropic", 50):
        assert line.startswith(("# ", "export UMPIRE_"))
        assert line.startswith("export") or len(line) <= 50
