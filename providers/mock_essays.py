"""For the mock provider: finds the two essays in a prompt, and gives each a strength.

Essays are found by their headings: `Essay A` and `Essay B`, in any case, with a space, `_` or `-` between, at the start
of a line (markdown, tags and quotes before it are ignored), followed by the line's end, by punctuation or by a bracket:
`Essay A`, `## Essay A (ID: 17)`, `**Essay A:** text`, `<essay_a>`. "Essay A and Essay B are …" is not a heading.
If no line begins like this, `Essay A:` anywhere in the text counts. An essay ends at the next heading, at a closing
tag, or at a line of three or more `-`, `=`, `_` or `*`. Essays between lines `<essay_a-NUMBER>` and
`</essay_a-NUMBER>`, with one number of 16 hexadecimal digits or more for both essays, are taken exactly as they stand.

An essay's strength is the first of these that it has: the value of a marker `strength=1.5` in it; a value drawn from
its id (`id=17`, `(ID: 17)` in the heading); a value drawn from the first 40 words of its text, so that an instruction
after the second essay changes nothing. A value is drawn by turning a hash into a normal deviate: the same essay always
has the same strength.
"""

import hashlib
import re
from dataclasses import dataclass, field
from itertools import islice
from statistics import NormalDist

_LABEL = r"essay[ _-]?(?P<letter>[ab])\b"
_HEADING = re.compile(
    rf"^[ \t#>*_`<\[({{\"]*{_LABEL}(?=[ \t\r]*$|[ \t]*[*_`:=(\[\])>.,\-–—|\"#])", re.IGNORECASE | re.MULTILINE
)
_INLINE = re.compile(rf"(?<![\w/]){_LABEL}\"?\s*[:>=(\[]", re.IGNORECASE)
_END = re.compile(r"</[ \t]*essay|^[ \t]*([-=_*])\1{2,}[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_OPENING = re.compile(r"^<essay_a-(?P<boundary>[0-9a-f]{16,})>$", re.MULTILINE)
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_STRENGTH = re.compile(rf"\bstrength\b[\"']?\s*[=:]\s*[\"']?(?P<value>{_NUMBER})", re.IGNORECASE)
_ID = re.compile(r"\bid\b[\"']?\s*[=:]\s*[\"']?(?P<value>[\w.-]+)", re.IGNORECASE)
_LABELLED = re.compile(rf"[\W_]*{_LABEL}", re.IGNORECASE)
_WORD = re.compile(r"\w+")

#: Number of words of an essay that go into its hash.
_WORDS = 40


@dataclass(frozen=True, slots=True)
class Essays:
    a: str = field(repr=False)
    b: str = field(repr=False)
    #: Essay A stands before Essay B.
    a_first: bool


def find_essays(prompt: str) -> Essays | None:
    """The two essays of a prompt, each with its heading; None unless both have a heading."""
    opening = _OPENING.search(prompt)
    if opening:
        a, b = (_bounded(prompt, letter, opening["boundary"]) for letter in "ab")
        if a and b:
            return Essays(a, b, opening.start() < prompt.find(f"<essay_b-{opening['boundary']}>"))
    for pattern in (_HEADING, _INLINE):
        first: dict[str, int] = {}
        starts = []
        for match in pattern.finditer(prompt):
            starts.append(match.start())
            first.setdefault(match["letter"].lower(), match.start())
        if len(first) == 2:  # noqa: PLR2004 - A and B
            ends = [*starts[1:], len(prompt)]
            section = {
                start: _END.split(prompt[start:end], maxsplit=1)[0] for start, end in zip(starts, ends, strict=True)
            }
            return Essays(section[first["a"]], section[first["b"]], first["a"] < first["b"])
    return None


def _bounded(prompt: str, letter: str, boundary: str) -> str:
    """The essay between its two boundary lines, with a heading added; empty if one of the lines is missing."""
    _, opening, rest = prompt.partition(f"<essay_{letter}-{boundary}>\n")
    essay, closing, _ = rest.rpartition(f"\n</essay_{letter}-{boundary}>")
    return f"Essay {letter.upper()}\n{essay}" if opening and closing else ""


def strength(essay: str, spread: float) -> float:
    """Strength in logits: the essay's marker, or a value drawn with the standard deviation `spread`."""
    marker = _STRENGTH.search(essay)
    if marker:
        return float(marker["value"])
    heading = essay.strip().partition("\n")[0]
    own_id = _ID.search(heading)
    if own_id:
        return spread * _deviate(f"id:{own_id['value']}")
    label = _LABELLED.match(heading)
    words = _WORD.finditer(essay.strip(), label.end() if label else 0)
    return spread * _deviate(" ".join(word[0] for word in islice(words, _WORDS)))


def _deviate(text: str) -> float:
    """A standard normal deviate, the same for the same text."""
    digest = int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:8])
    return NormalDist().inv_cdf((digest + 0.5) / 2**64)
