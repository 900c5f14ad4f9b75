"""The trace context: a caller's trace is continued, what is malformed is ignored."""

import pytest

from contracts.trace import continue_trace, trace_id

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_our_work_is_a_new_span_in_the_callers_trace():
    ours = continue_trace(GOOD)
    assert trace_id(ours) == trace_id(GOOD) == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert ours[36:52] != GOOD[36:52]
    assert ours[-2:] == "01"


def test_a_later_version_is_continued_as_version_00():
    assert trace_id(continue_trace("cc" + GOOD[2:] + "-what-comes-next")) == trace_id(GOOD)


def test_a_trace_of_our_own_claims_no_sampling_and_a_callers_flags_stay():
    assert continue_trace(None)[-3:] == "-00"
    assert continue_trace(GOOD[:-2] + "00")[-3:] == "-00"
    assert continue_trace(GOOD)[-3:] == "-01"


@pytest.mark.parametrize(
    "header",
    [None, "", "garbage", GOOD.upper(), "ff" + GOOD[2:], "00-" + "0" * 32 + GOOD[35:], GOOD[:-1], GOOD + "\n"],
)
def test_a_malformed_header_starts_a_trace_of_our_own(header):
    assert trace_id(header) is None
    ours = continue_trace(header)
    assert trace_id(ours) not in {None, trace_id(GOOD)}
    assert continue_trace(header) != ours
