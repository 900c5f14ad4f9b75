"""Counts the values in a large JSON body without blocking the event loop.

The parser holds the GIL as long as it runs, in a thread as well as on the loop: 4 MB of text take 10 ms, 4 MB of
numbers or members 100 to 300 ms. So a body with too many values is refused before it is parsed.
"""

import asyncio
import re

from contracts.errors import ContentTooLong

#: A body of at most this size is parsed unchecked. In the worst case, all members, that takes some 30 ms.
LARGE_BYTES = 262_144

#: Values that a large body may hold in any case.
MIN_VALUES = 10_000

#: Bytes that are scanned without yielding to the loop: less than a millisecond.
_SLICE = 65_536  # at least 2: a backslash and the character that it escapes
_STRINGS_WITHOUT_PAUSE = 1_000

#: Bytes whose commas and quotes are counted without yielding to the loop.
_COUNTED_AT_ONCE = 1_000_000

_WITHIN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)


async def check_value_count(body: bytes, most: int) -> None:
    """Raises ContentTooLong for a large body with more than `most` values.

    Counts the commas outside of strings: each value but the first of its list or object follows one.
    """
    if len(body) <= LARGE_BYTES or await _is_plain(body, most):
        return
    commas = strings = start = 0
    while start < len(body):
        opening = body.find(b'"', start, start + _SLICE)
        end = min(start + _SLICE, len(body)) if opening < 0 else opening
        commas += body.count(b",", start, end)
        if commas > most or strings > 2 * most:  # a member has two strings
            raise ContentTooLong(f"the body holds more than {most} JSON values", max_values=most)
        if opening < 0:
            start = end
            continue
        start = await _end_of_string(body, opening + 1)
        strings += 1
        if strings % _STRINGS_WITHOUT_PAUSE == 0:
            await asyncio.sleep(0)


async def _is_plain(body: bytes, most: int) -> bool:
    """Whether it has few enough values even if all commas and quotes within its strings count: this is much faster than
    to find the strings.
    """
    commas = quotes = 0
    for start in range(0, len(body), _COUNTED_AT_ONCE):
        end = start + _COUNTED_AT_ONCE
        commas += body.count(b",", start, end)
        quotes += body.count(b'"', start, end)
        if commas > most or quotes > 4 * most:
            return False
        await asyncio.sleep(0)
    return True


async def _end_of_string(body: bytes, start: int) -> int:
    """The position after the closing quote, or the body's end if there is none."""
    while start < len(body):
        limit = min(start + _SLICE, len(body))
        found = _WITHIN_STRING.match(body, start, limit)
        start = found.end() if found else limit
        if start < limit and body[start] == ord('"'):
            return start + 1
        if start == limit - 1 == len(body) - 1:
            return len(body)  # the body ends with a backslash
        await asyncio.sleep(0)
    return start
