"""Completion to verdict: what is accepted, what is refused and how, and that nothing is ever guessed."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.encoding import dumps
from contracts.enums import EssayComparisonWinner
from contracts.enums import EssayComparisonWinner as Winner
from contracts.errors import AnswerError, ContentTooLong, InvalidPrompt, InvalidResponse, ParsingError
from providers.answers.verdict import Verdict, cut, parse_verdict
from providers.base import ProviderAnswer, StopReason, Usage

GOOD = {"winner": "Essay A", "justification": "It argues from evidence, and the other one does not.", "confidence": 4}


def parse(text: str, stop: StopReason = StopReason.END) -> Verdict:
    return parse_verdict(ProviderAnswer(text=text, model="m", usage=Usage(), stop_reason=stop))


def parse_changed(**changes: object) -> Verdict:
    return parse(json.dumps({**GOOD, **changes}))


def test_a_verdict_is_taken_as_it_is() -> None:
    verdict = parse(json.dumps(GOOD))
    assert verdict == Verdict(Winner.ESSAY_A, str(GOOD["justification"]), 4.0, ())
    assert "evidence" not in repr(verdict)


@pytest.mark.parametrize("spelling", ["Essay A", "essay a", "ESSAY A", "Essay_A", "essay_a", "A", "a", " Essay A \n"])
def test_accepted_spellings_of_a_winner(spelling: str) -> None:
    assert parse_changed(winner=spelling).winner is Winner.ESSAY_A
    other = spelling.replace("A", "B").replace("a", "b").replace("EssBy", "Essay").replace("essby", "essay")
    other = other.replace("Essby", "Essay").replace("ESSBY", "ESSAY")
    assert parse_changed(winner=other).winner is Winner.ESSAY_B


@pytest.mark.parametrize(
    "winner",
    ["Essay C", "both", "", "Essay A.", "Essay A wins", "The winner is Essay A", "A or B", "EssayA", "Essay  A", "１",
     1, 0, True, None, ["Essay A"], {"name": "Essay A"}, "Еssay A"],
)  # fmt: skip
def test_no_other_spelling_is_a_winner(winner: object) -> None:
    with pytest.raises(InvalidResponse):
        parse_changed(winner=winner)


#: All accepted spellings.
WINNERS = {
    f"{prefix}{letter}": EssayComparisonWinner(f"Essay {letter.upper()}")
    for letter in "AaBb"
    for prefix in ("", *(f"{word}{separator}" for word in ("Essay", "essay", "ESSAY") for separator in " _"))
}


@pytest.mark.parametrize("spelling", WINNERS)
def test_each_spelling_of_a_winner_is_accepted(spelling: str) -> None:
    assert parse_changed(winner=f" {spelling}\n").winner is WINNERS[spelling]


@given(st.text(max_size=40))
def test_a_winner_outside_the_closed_set_is_never_guessed(text: str) -> None:
    if text.strip() in WINNERS:
        assert parse_changed(winner=text).winner is WINNERS[text.strip()]
    else:
        with pytest.raises(InvalidResponse):
            parse_changed(winner=text)


@pytest.mark.parametrize("confidence", [1, 5, 1.0, 3.5, 4.999])
def test_confidence_is_kept_as_it_is(confidence: float) -> None:
    assert parse_changed(confidence=confidence).confidence == confidence


@pytest.mark.parametrize("confidence", [0, 6, 0.99, 5.01, -1, 80, 0.8, True, False, None, "4", "high", [4], 10**400])
def test_no_other_confidence_is_taken_or_rescaled(confidence: object) -> None:
    with pytest.raises(InvalidResponse):
        parse_changed(confidence=confidence)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    with pytest.raises(InvalidResponse):
        parse(f'{{"winner": "A", "justification": "{"x" * 60}", "confidence": {number}}}')


@given(st.floats(allow_nan=False) | st.integers())
def test_confidence_is_refused_exactly_outside_1_to_5(number: float) -> None:
    try:
        assert parse_changed(confidence=number).confidence == number
        assert 1 <= number <= 5
    except InvalidResponse:
        assert not 1 <= number <= 5


@pytest.mark.parametrize("justification", ["", "   ", "\n", None, 3, ["because"], {"text": "because"}, True])
def test_a_verdict_needs_a_justification(justification: object) -> None:
    with pytest.raises(InvalidResponse):
        parse_changed(justification=justification)


def test_half_a_surrogate_pair_is_refused() -> None:
    """It is valid JSON, but cannot be sent on as UTF-8."""
    with pytest.raises(InvalidResponse):
        parse(r'{"winner": "A", "justification": "half \ud83d of a smile", "confidence": 3}')


def test_a_short_justification_is_accepted_and_flagged() -> None:
    verdict = parse_changed(justification="Better.")
    assert (verdict.justification, verdict.normalised) == ("Better.", ("justification_short",))
    assert parse_changed(justification="x" * 50).normalised == ()


def test_a_long_justification_is_cut_at_a_word_and_flagged() -> None:
    verdict = parse_changed(justification="word " * 120)
    assert verdict.normalised == ("justification_cut",)
    assert len(verdict.justification) <= 500
    assert verdict.justification.endswith("word…")
    assert parse_changed(justification="x" * 500).normalised == ()
    assert parse_changed(justification="x" * 501).justification == "x" * 499 + "…"


@given(st.text(alphabet=string.ascii_letters + " \n\té—𝒜", min_size=1, max_size=1200))
def test_what_is_kept_of_a_justification_is_its_beginning(text: str) -> None:
    if not text.strip():
        return
    verdict = parse_changed(justification=text)
    whole = text.strip()
    assert 0 < len(verdict.justification) <= 500
    if len(whole) > 500:
        assert verdict.justification == cut(whole)
        kept = verdict.justification.removesuffix("…")
        assert whole.startswith(kept)
        rest = whole[len(kept) :]
        assert rest[0].isspace() or not any(character.isspace() for character in kept), "cut within a word"
    else:
        assert verdict.justification == whole


@pytest.mark.parametrize(
    "fence", ["```json\n{}\n```", "```\n{}\n```", "  ```json\r\n{}\r\n```  ", "```JSON \n{}\n```\n"]
)
def test_a_fence_is_taken_off_and_flagged(fence: str) -> None:
    verdict = parse(fence.replace("{}", json.dumps(GOOD)))
    assert verdict.winner is Winner.ESSAY_A
    assert verdict.normalised == ("fenced",)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "Essay A", "I think Essay A wins.", "null", "3", '"Essay A"', "[]", json.dumps([GOOD]),
     json.dumps(GOOD)[:-1], json.dumps(GOOD) + " Essay B", json.dumps(GOOD) * 2, "Here it is: " + json.dumps(GOOD),
     "```json\n" + json.dumps(GOOD),
     "{'winner': 'Essay A'}", "[" * 100_000, '{"a":' * 100_000, '{"confidence": ' + "9" * 5000 + "}",
     "```json\n" + json.dumps(GOOD) + "\n```\nand\n```json\n" + json.dumps(GOOD) + "\n```"],
)  # fmt: skip
def test_what_is_not_one_json_object_is_a_parsing_error(text: str) -> None:
    with pytest.raises(ParsingError):
        parse(text)


@pytest.mark.parametrize("missing", GOOD)
def test_a_missing_key_is_an_invalid_response(missing: str) -> None:
    with pytest.raises(InvalidResponse):
        parse(json.dumps({key: value for key, value in GOOD.items() if key != missing}))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({**GOOD, "final_winner": "Essay B"}),
        json.dumps({"verdict": GOOD}),
        json.dumps({"Winner": "A", "Justification": "x" * 60, "Confidence": 3}),
        json.dumps(GOOD).replace('"winner": "Essay A"', '"winner": "Essay A", "winner": "Essay B"'),
        json.dumps(GOOD).replace('"winner": "Essay A"', '"winner": "Essay A", "winner": "Essay A"'),
        "{}",
    ],
)
def test_extra_other_or_repeated_keys_are_an_invalid_response(text: str) -> None:
    with pytest.raises(InvalidResponse):
        parse(text)


def test_an_answer_cut_off_is_no_verdict_even_when_it_looks_whole() -> None:
    with pytest.raises(InvalidResponse) as caught:
        parse(json.dumps(GOOD), StopReason.LENGTH)
    assert caught.value.details["reason"] == "truncated"


def test_refusal_and_full_window_are_named() -> None:
    with pytest.raises(InvalidPrompt):
        parse("I cannot.", StopReason.REFUSAL)
    with pytest.raises(ContentTooLong):
        parse("", StopReason.CONTEXT)


@given(
    st.text(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["winner", "justification", "confidence", "x"]), inner, max_size=4)
        ),
    ).map(json.dumps)
)
def test_whatever_comes_is_a_sound_verdict_or_a_typed_error_without_its_text(text: str) -> None:
    try:
        verdict = parse(text)
    except AnswerError as error:
        if len(text) > 25:
            assert text not in f"{error} {error.details}"
        return
    assert isinstance(verdict.winner, Winner)
    assert 1 <= verdict.confidence <= 5
    assert 1 <= len(verdict.justification) <= 500
    dumps(verdict.justification)
