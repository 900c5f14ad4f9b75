"""The mock judge: scripted by settings, fresh on each call, the same again for the same seed and attempt."""

import asyncio
import math
import random
import time
from collections import Counter
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.judging.judges import SimulatedJudge
from contracts import errors
from contracts.enums import EssayComparisonWinner as Winner
from contracts.enums import LLMErrorCode, LLMProviderType
from contracts.settings import MockSettings, SettingsError, load_settings
from devtools.providers import PROMPT, request_for
from providers.answers.verdict import Verdict, parse_verdict
from providers.base import Call
from providers.mock import MockProvider, judge
from providers.mock_essays import find_essays, strength
from providers.models.manifest import Manifest
from providers.request.prompt import build_call

INFO = Manifest.load().default(LLMProviderType.MOCK)


def mock(**script: Any) -> MockProvider:
    return MockProvider(MockSettings(**{"latency_ms": 0, **script}))


def call(attempt: object, prompt: str = PROMPT) -> Call:
    return build_call(request_for(prompt), INFO, attempt_id=str(attempt))[0]


async def verdicts(provider: MockProvider, count: int, prompt: str = PROMPT) -> list[Verdict]:
    return [parse_verdict(await provider.complete(call(number, prompt))) for number in range(count)]


def share_of_a(found: list[Verdict]) -> float:
    return mean(verdict.winner is Winner.ESSAY_A for verdict in found)


def logistic(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


async def test_every_answer_is_a_clean_verdict_with_tokens() -> None:
    completion = await mock().complete(call(1))
    assert parse_verdict(completion).normalised == ()
    assert completion.usage.input_tokens > 0 < completion.usage.output_tokens
    assert "sea" not in completion.text


async def test_draws_differ_between_attempts_and_repeat_with_the_seed() -> None:
    prompt = "Essay A\nstrength=0\nEssay B\nstrength=0"
    one, again = await verdicts(mock(seed=1), 200, prompt), await verdicts(mock(seed=1), 200, prompt)
    other = await verdicts(mock(seed=2), 200, prompt)
    assert one == again
    assert one != other
    assert 0.35 < share_of_a(one) < 0.65, "each judgement is drawn anew"


async def test_fixed_answers() -> None:
    assert {v.winner for v in await verdicts(mock(mode="fixed", winner="Essay B"), 20)} == {Winner.ESSAY_B}


@pytest.mark.parametrize(("a", "b", "bias"), [(1.0, 0.0, 0.0), (0.0, 1.5, 0.0), (0.5, 0.5, 1.0), (1.0, 0.0, -1.0)])
async def test_latent_winners_follow_the_bradley_terry_model(a: float, b: float, bias: float) -> None:
    prompt = f"Compare.\n\nEssay A (strength={a}):\ntext\n\nEssay B (strength={b}):\ntext"
    found = await verdicts(mock(position_bias=bias), 2000, prompt)
    p = logistic(a - b + bias)
    assert share_of_a(found) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 2000))


async def test_the_bias_favours_the_essay_shown_first_not_the_letter() -> None:
    prompt = "Essay B (strength=0)\ntext\n\nEssay A (strength=0)\ntext"
    found = await verdicts(mock(position_bias=2.0), 1000, prompt)
    assert share_of_a(found) == pytest.approx(1 - logistic(2.0), abs=0.05)
    found = await verdicts(mock(position_bias=2.0, mode="random"), 1000, "no headings at all")
    assert share_of_a(found) == pytest.approx(logistic(2.0), abs=0.05)


async def test_confidence_follows_the_margin() -> None:
    for difference, confidence in ((0.0, 1), (1.2, 3), (10.0, 5)):
        prompt = f"Essay A\nstrength={difference}\nEssay B\nstrength=0"
        assert {verdict.confidence for verdict in await verdicts(mock(), 5, prompt)} == {confidence}


@pytest.mark.parametrize("kind", ["perceived", "half", "high", "noise", "uneven"])
async def test_confidences_say_as_much_as_their_kind(kind: str) -> None:
    """Those about the margin are higher for essays far apart; `noise` and `uneven` are not; `high` is 4 or 5."""
    near, far = "Essay A\nstrength=0\nEssay B\nstrength=0", "Essay A\nstrength=4\nEssay B\nstrength=0"
    found = [await verdicts(mock(confidence=kind), 1000, prompt) for prompt in (near, far)]
    low, high = (mean(verdict.confidence for verdict in some) for some in found)
    informative = kind not in {"noise", "uneven"}
    assert (high - low > 0.3) is informative
    if not informative:
        assert abs(high - low) < 0.2
    levels = {verdict.confidence for some in found for verdict in some}
    assert levels == ({4, 5} if kind == "high" else {1, 2, 3, 4, 5})


@pytest.mark.parametrize("kind", ["perceived", "half", "high", "noise", "uneven"])
async def test_confidences_change_no_winner(kind: str) -> None:
    prompt = "Essay A\nstrength=0.5\nEssay B\nstrength=0"
    assert [v.winner for v in await verdicts(mock(confidence=kind), 100, prompt)] == [
        v.winner for v in await verdicts(mock(), 100, prompt)
    ]


async def test_lapses_ignore_the_essays() -> None:
    prompt = "Essay A\nstrength=20\nEssay B\nstrength=0"
    assert share_of_a(await verdicts(mock(lapse_rate=0.4), 2000, prompt)) == pytest.approx(0.8, abs=0.04)
    assert share_of_a(await verdicts(mock(lapse_rate=1.0), 2000, prompt)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", ["expected", "perceived", "half", "high", "noise", "uneven"])
def test_the_simulator_of_classes_has_the_same_judge(kind: Any) -> None:
    """benchmarks/judging judges arrays of pairs, with the same frequencies of winner and confidence."""
    count = 20_000
    judge_of_many = SimulatedJudge(order_effect=0.4, lapse_rate=0.2, confidence=kind)
    shown = np.tile([0, 1], (count, 1))
    wins, sure = judge_of_many.answer(np.array([1.0, 0.0]), shown, np.random.default_rng(1), np.random.default_rng(2))
    draw = random.Random(3)
    one_by_one = Counter(judge(1.4, kind, 0.2, draw) for _ in range(count))
    for answer, tally in Counter(zip(wins.tolist(), sure.tolist(), strict=True)).items():
        assert one_by_one[answer] == pytest.approx(tally, abs=5 * math.sqrt(count / 4))


async def test_errors_come_at_their_rate_and_as_their_class() -> None:
    provider = mock(error_rate=0.3, error_codes="LLM_PROVIDER_RATE_LIMIT,LLM_PROVIDER_TIMEOUT")
    found: Counter[str] = Counter()
    for number in range(1000):
        try:
            await provider.complete(call(number))
        except errors.UmpireError as error:
            found[type(error).__name__] += 1
    assert set(found) == {"ProviderRateLimited", "ProviderTimeout"}
    assert 230 < found.total() < 370


#: Those of the door alone: no comparison that was let in ends in one.
DOOR = {
    LLMErrorCode.AUTHENTICATION_FAILED,
    LLMErrorCode.QUOTA_EXCEEDED,
    LLMErrorCode.IDEMPOTENCY_CONFLICT,
    LLMErrorCode.REQUEST_CANCELLED,
}


@pytest.mark.parametrize("code", [code for code in LLMErrorCode if code not in DOOR])
async def test_every_code_that_a_comparison_can_end_in(code: LLMErrorCode) -> None:
    provider = mock(error_rate=1.0, error_codes=code.value)
    with pytest.raises(errors.UmpireError) as caught:
        parse_verdict(await provider.complete(call(1)))
    assert caught.value.code is code


@pytest.mark.parametrize("codes", ["NO_SUCH_CODE", "LLM_PROVIDER_TIMEOUT,nonsense", "LLM_QUOTA_EXCEEDED"])
def test_a_code_that_it_cannot_fail_with_stops_the_start(codes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMPIRE_MOCK_ERROR_CODES", codes)
    with pytest.raises(SettingsError, match="UMPIRE_MOCK_ERROR_CODES"):
        load_settings()


async def test_latency_and_jitter() -> None:
    began = time.monotonic()
    provider = mock(latency_ms=100)
    await asyncio.gather(*(provider.complete(call(number)) for number in range(50)))
    assert 0.1 <= time.monotonic() - began < 50 * 0.1, "calls wait beside each other"
    times = []
    for number in range(30):
        began = time.monotonic()
        await mock(latency_ms=20, jitter_ms=10).complete(call(number))
        times.append(time.monotonic() - began)
    assert stdev(times) > 0.003


PROMPTS = [
    "Which?\n\nEssay A\n{a}\n\nEssay B\n{b}",
    "Compare Essay A and Essay B.\nEssay A and Essay B are below.\n\nEssay A:\n{a}\n\nEssay B:\n{b}\n\nWhich?",
    "## Essay A (ID: 1)\n{a}\n\n## Essay B (ID: 2)\n{b}\n\n---\nAnswer in JSON.",
    "<essay_a>\n{a}\n</essay_a>\n<essay_b>\n{b}\n</essay_b>\nEssay A is first.",
    "**Essay A:** {a}\n**Essay B:** {b}",
    "ESSAY A\r\n{a}\r\nESSAY B\r\n{b}\r\n",
    "Essay A: {a} Essay B: {b}",
    '{{"essay_a": "{a}",\n "essay_b": "{b}"}}',
    'Judge: {{"essay_a": "{a}", "essay_b": "{b}"}}',
    "[Essay A]\n{a}\n[Essay B]\n{b}",
    "Essay-A\n{a}\n=====\nEssay-B\n{b}\n=====\nDecide between Essay A and Essay B.",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_essays_are_found_however_they_are_headed(prompt: str) -> None:
    found = find_essays(prompt.format(a="The first one.", b="The second one."))
    assert found is not None
    assert found.a_first
    assert "first one." in found.a
    assert "second" not in found.a
    assert "second one." in found.b
    assert "first" not in found.b
    assert "first one" not in repr(found)


@pytest.mark.parametrize(
    "prompt", ["", "two essays", "Essay A\nonly one", "Compare Essay A and Essay B.", "essay about B"]
)
async def test_without_headings_the_judge_guesses_at_random(prompt: str) -> None:
    assert find_essays(prompt) is None
    if prompt:
        assert 0.35 < share_of_a(await verdicts(mock(), 200, prompt)) < 0.65


@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_essay_has_the_same_strength_on_either_side(prompt: str) -> None:
    """Whatever stands around it: else no simulated assessment would converge."""
    if "ID:" in prompt:
        prompt = prompt.replace("(ID: 1)", "").replace("(ID: 2)", "")
    text, other = "alpha beta " * 30, "gamma delta " * 30
    one, two = find_essays(prompt.format(a=text, b=other)), find_essays(prompt.format(a=other, b=text))
    assert one is not None
    assert two is not None
    assert strength(one.a, 2.0) == strength(two.b, 2.0)
    assert strength(one.b, 2.0) == strength(two.a, 2.0)
    assert strength(one.a, 2.0) != strength(one.b, 2.0)


def test_where_a_strength_comes_from() -> None:
    assert strength("Essay A\nstrength=1.5 text", 2.0) == 1.5
    assert strength('Essay A {"strength": "-0.25"}', 2.0) == -0.25
    assert strength("Essay A (ID: essay-17)\none text", 2.0) == strength("Essay B (id=essay-17):\nanother text", 2.0)
    assert strength("Essay A (ID: 17)\ntext", 2.0) != strength("Essay A (ID: 18)\ntext", 2.0)
    assert strength("Essay A\ntext", 0.0) == 0.0


def test_drawn_strengths_have_the_spread_asked_for() -> None:
    drawn = [strength(f"Essay A\nThis is essay number {number}.", 2.0) for number in range(2000)]
    assert mean(drawn) == pytest.approx(0, abs=0.2)
    assert stdev(drawn) == pytest.approx(2.0, abs=0.15)


@given(st.text(max_size=400))
def test_no_prompt_breaks_it(text: str) -> None:
    for prompt in (text, f"Essay A\n{text}\nEssay B\n{text}"):
        essays = find_essays(prompt)
        if essays:
            assert math.isfinite(strength(essays.a, 2.0))


@pytest.mark.parametrize("filler", ["\n", " ", "#", "essay a ", "_", "-", "1"])
def test_it_is_quick_on_any_prompt(filler: str) -> None:
    began = time.perf_counter()
    essays = find_essays("Essay A\n" + filler * 200_000 + "\nEssay B\n" + filler * 200_000)
    if essays:
        strength(essays.a, 1.0)
    assert time.perf_counter() - began < 2
