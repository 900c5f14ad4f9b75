"""How long to wait and how much is left: every form in which providers say so."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock import iso, utcnow
from providers.answers.response_headers import (
    ANTHROPIC,
    OPENAI,
    OPENROUTER,
    by_lower_case_name,
    rate_headers,
    retry_after,
    seconds_of,
)
from providers.base import RateHeaders


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12ms", 0.012), ("1s", 1), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("1m30s", 90), ("2h", 7200), ("0s", 0),
     ("30", 30), ("1.5", 1.5), ("5m", 300), ("-3", 0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "ms", "1x", "nan", "inf", "s1", "12 parsecs"])
def test_what_is_no_duration(text: str) -> None:
    assert seconds_of(text) is None


def test_moments() -> None:
    soon = utcnow() + timedelta(seconds=30)
    for text in (iso(soon), soon.isoformat(), str(soon.timestamp()), str(int(soon.timestamp() * 1000))):
        assert seconds_of(text) == pytest.approx(30, abs=2)
    assert seconds_of("2001-01-01T00:00:00Z") == 0


def test_retry_after_in_all_its_forms() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after": "0.5"}) == 0.5
    assert retry_after({"retry-after": "-5"}) == 0
    assert retry_after({"retry-after": date}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": "Sat, 01 Jan 2000 00:00:00 GMT"}) == 0
    assert retry_after({"retry-after-ms": "1500", "retry-after": "2"}) == 1.5
    assert retry_after({"retry-after": "9" * 400}) is None
    assert retry_after({"retry-after": "1e300"}) == 86_400
    for nonsense in ("", "soon", "nan", "inf", "Sat, 99 Jan 2000"):
        assert retry_after({"retry-after": nonsense}) is None
    assert retry_after({}) is None


def test_the_limit_that_is_used_up_says_how_long() -> None:
    used_up = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "150000",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert retry_after(used_up, OPENAI) == 1
    assert retry_after({**used_up, "x-ratelimit-remaining-tokens": "0"}, OPENAI) == 360
    assert retry_after({"x-ratelimit-reset-tokens": "7s"}, OPENAI) == 7
    assert retry_after({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "7s"}, OPENAI) is None


def test_rate_headers() -> None:
    soon = iso(utcnow() + timedelta(seconds=30))
    read = rate_headers(
        by_lower_case_name(
            [
                (b"Anthropic-RateLimit-Requests-Limit", b"50"),
                (b"anthropic-ratelimit-requests-remaining", b"49"),
                (b"anthropic-ratelimit-requests-reset", soon.encode()),
                (b"anthropic-ratelimit-tokens-remaining", b"n/a"),
            ]
        ),
        ANTHROPIC,
    )
    assert read is not None
    assert (read.requests_limit, read.requests_remaining, read.tokens_remaining) == (50, 49, None)
    assert read.requests_reset == pytest.approx(30, abs=2)
    assert rate_headers({"content-type": "x"}, ANTHROPIC) is None
    assert rate_headers({"x-ratelimit-limit": "20"}, OPENROUTER) == RateHeaders(requests_limit=20)


@given(st.text(max_size=30))
def test_no_header_breaks_the_reading(text: str) -> None:
    for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"):
        wait = retry_after({name: text}, OPENAI)
        assert wait is None or 0 <= wait <= 86_400
    rate_headers({"x-ratelimit-limit-requests": text, "x-ratelimit-reset-requests": text}, OPENAI)
