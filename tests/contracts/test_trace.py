"""The trace context: what a caller sends is carried, what is malformed is ignored."""

import pytest

from contracts.trace import new_traceparent, parse_traceparent, trace_id

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_good_header_is_carried_as_it_is():
    assert parse_traceparent(GOOD) == GOOD
    assert trace_id(GOOD) == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_later_version_is_read_as_version_00_with_the_flag_we_know():
    assert parse_traceparent("cc" + GOOD[2:-2] + "09-what-comes-next") == GOOD


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        GOOD.upper(),
        GOOD + "-more",
        "ff" + GOOD[2:],
        "00-" + "0" * 32 + GOOD[35:],
        GOOD[:36] + "0" * 16 + GOOD[-3:],
        GOOD[:-1],
    ],
)
def test_a_malformed_header_is_ignored(header):
    assert parse_traceparent(header) is None


def test_a_trace_of_our_own_is_well_formed_and_new():
    made = {new_traceparent() for _ in range(100)}
    assert len(made) == 100
    assert all(parse_traceparent(one) == one for one in made)
