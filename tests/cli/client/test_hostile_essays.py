"""Essays are data: each comes out of our prompt as it went in, between its own two lines, and nothing of it outside."""

import re
from itertools import islice

import pytest
from umpire_hostile import HOSTILE, OTHER_BOUNDARY

from cli.client import prompt as module
from cli.client.prompt import comparison_prompt
from cli.demo.batch import Batch
from providers.mock_essays import find_essays

PLAIN = "The sea is wide, and deep in places."

_FORM = re.compile(
    r"(?P<before>.*?)\n\n<essay_a-(?P<n>[0-9a-f]{32})>\n(?P<a>.*)\n</essay_a-(?P=n)>\n\n"
    r"<essay_b-(?P=n)>\n(?P<b>.*)\n</essay_b-(?P=n)>\n\n(?P<after>.*)",
    re.DOTALL,
)

every = pytest.mark.parametrize("name", HOSTILE)


def taken_apart(prompt: str) -> tuple[str, str, str, str]:
    """Boundary, essay A, essay B, and all that stands outside them with the boundary left out."""
    # Our lines are the ones whose number the rules above the essays give; an essay cannot know it.
    number = re.findall(r"carry the number ([0-9a-f]{32})\.", prompt)[0]
    form = _FORM.fullmatch(prompt)
    assert form
    assert form["n"] == number
    assert prompt.count(number) == 5  # in the rules, and in two lines for each essay
    return number, form["a"], form["b"], f"{form['before']}\n{form['after']}".replace(number, "")


@every
def test_an_essay_stays_whole_and_inside(name: str) -> None:
    essay = HOSTILE[name]
    plain = taken_apart(comparison_prompt(PLAIN, PLAIN, "Which?"))
    for a, b in ((essay, PLAIN), (PLAIN, essay), (essay, essay)):
        _, found_a, found_b, outside = taken_apart(comparison_prompt(a, b, "Which?"))
        assert (found_a, found_b) == (a, b)
        # The words outside are the same whatever the essays say.
        assert outside == plain[3]


@every
def test_the_mock_judge_reads_what_stands_inside(name: str) -> None:
    found = find_essays(comparison_prompt(HOSTILE[name], PLAIN))
    assert found
    assert found.a.removeprefix("Essay A\n") == HOSTILE[name]
    assert found.b.removeprefix("Essay B\n") == PLAIN
    assert found.a_first


def test_each_prompt_has_a_boundary_of_its_own() -> None:
    boundaries = [taken_apart(comparison_prompt(PLAIN, PLAIN))[0] for _ in range(100)]
    assert len(set(boundaries)) == 100


def test_a_boundary_that_stands_in_an_essay_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any case of its letters, in either essay, and in the question."""
    taken = [f"{number:032x}" for number in range(10, 13)]
    draws = iter([*taken, OTHER_BOUNDARY])
    monkeypatch.setattr(module.secrets, "token_hex", lambda length: next(islice(draws, 1)))
    prompt = comparison_prompt(f"x{taken[0]}", taken[1].upper(), f"Which? {taken[2]}")
    assert taken_apart(prompt)[0] == OTHER_BOUNDARY


def test_a_boundary_cannot_be_guessed() -> None:
    assert module._BOUNDARY_BYTES * 8 >= 64


def test_the_demo_keeps_to_it() -> None:
    batch = Batch.of_samples()
    first, second = batch.pairs[0]
    _, a, b, _ = taken_apart(str(batch.request(batch.pairs[0])["user_prompt"]))
    assert (a, b) == (batch.texts[first], batch.texts[second])
