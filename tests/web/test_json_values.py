"""A large body whose parsing would block the loop is refused; a large body with a long text is not."""

import asyncio
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from umpire_service import BODY, problem_of, running_api, settings_of

from contracts.errors import ContentTooLong
from web import json_values
from web.json_values import LARGE_BYTES, check_value_count

SHAPES = {
    "members": json.dumps({f"k{n}": n for n in range(200_000)}),
    "numbers": "[" + "1," * 1_800_000 + "1]",
    "strings": "[" + '"",' * 1_200_000 + '""]',
    "no commas": '"" ' * 1_200_000,
}


@pytest.mark.redis
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_body_of_very_many_values_is_413_and_does_not_stop_the_loop(redis_url, shape):
    body = b'{"user_prompt":"x","callback_topic":"t","metadata":{"x":' + SHAPES[shape].encode() + b"}}"
    async with running_api(settings_of(redis_url, immediate_wait_seconds=0)) as api:
        slowest = await slowest_pass(api.post(body))
        answered = await api.post(body)
        assert problem_of(answered, 413, "LLM_CONTENT_TOO_LONG")["details"] == {"max_values": 32_000}
    assert slowest < 0.1, slowest


@pytest.mark.redis
@pytest.mark.parametrize("text", ["x", "x,", '"', "\\", "\n", "é", "\U0001f600"])
async def test_a_long_text_is_accepted_and_does_not_stop_the_loop(redis_url, text):
    body = json.dumps(
        BODY | {"user_prompt": text * (280_000 // len(json.dumps(text))) * 2, "processing_mode": "queue"}
    ).encode()
    async with running_api(settings_of(redis_url)) as api:
        slowest = await slowest_pass(api.post(body))
        assert (await api.post(body)).status_code == 202
    assert slowest < 0.1, slowest


async def slowest_pass(work):
    """CPU seconds of the loop's longest iteration. Other processes do not count."""
    slowest, last = 0.0, time.thread_time()
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.sleep(0)
        now = time.thread_time()
        slowest, last = max(slowest, now - last), now
    return slowest


@given(st.binary(max_size=200) | st.text(alphabet='",\\ab[]', max_size=200).map(str.encode), st.integers(2, 7))
def test_commas_in_strings_are_not_counted_at_any_slice_boundary(body, size):
    outside = re.sub(rb'"(?:[^"\\]|\\.)*(?:"|\\?$)', b'""', body, flags=re.DOTALL)
    commas, strings = outside.count(b","), outside.count(b'""')

    def too_many(most):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_values, "LARGE_BYTES", 0)
            patch.setattr(json_values, "_SLICE", size)
            try:
                asyncio.run(check_value_count(body, most))
            except ContentTooLong:
                return True
            return False

    assert not too_many(max(commas, strings))
    if commas:  # one of them too many
        assert too_many(commas - 1)


async def test_a_small_body_is_not_counted():
    await check_value_count(b"," * LARGE_BYTES, 1)
    with pytest.raises(ContentTooLong):
        await check_value_count(b"," * (LARGE_BYTES + 1), 1)
