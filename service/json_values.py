"""How many values a large JSON body holds, found out without stopping the loop.

The parser holds the interpreter's lock for as long as it runs, in a thread as well as on the loop: 4 MB of text take it
10 ms, 4 MB of numbers or members 100 to 300. So a body that holds too many is refused before it is parsed.
"""

import asyncio
import re

from contracts.errors import ContentTooLong

#: A smaller body is parsed as it is; at the worst, all members, it takes some 30 ms.
LARGE_BYTES = 262_144

#: Values in a large body that are always allowed.
MIN_VALUES = 10_000

#: Looked at without a pause, in bytes: below a millisecond.
_SLICE = 65_536  # at least 2: a backslash and what it escapes
_STRINGS_WITHOUT_PAUSE = 1_000

_WITHIN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)


async def bound_values(body: bytes, most: int) -> None:
    """Count the commas outside of strings; each value but the first of its list or object follows one.

    Raises ContentTooLong.
    """
    if len(body) <= LARGE_BYTES:
        return
    commas = strings = start = 0
    while start < len(body):
        opening = body.find(b'"', start, start + _SLICE)
        end = min(start + _SLICE, len(body)) if opening < 0 else opening
        commas += body.count(b",", start, end)
        if commas > most or strings > 2 * most:  # a member has two of them
            raise ContentTooLong(f"the body holds more than {most} JSON values", max_values=most)
        if opening < 0:
            start = end
            continue
        start = await _end_of_string(body, opening + 1)
        strings += 1
        if strings % _STRINGS_WITHOUT_PAUSE == 0:
            await asyncio.sleep(0)


async def _end_of_string(body: bytes, start: int) -> int:
    """Behind its closing quote, or the body's end where it has none."""
    while start < len(body):
        limit = min(start + _SLICE, len(body))
        found = _WITHIN_STRING.match(body, start, limit)
        start = found.end() if found else limit
        if start < limit and body[start] == ord('"'):
            return start + 1
        if start == limit - 1 == len(body) - 1:
            return len(body)  # a backslash with nothing behind it
        await asyncio.sleep(0)
    return start
