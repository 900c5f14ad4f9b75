"""A group commit is bounded by what it carries, not by its number of items alone."""

import asyncio

import pytest

from ledger.group import MOST_BYTES, GroupCommit


@pytest.mark.parametrize(
    ("sizes", "rounds"),
    [
        ([1] * 5, [1, 4]),
        ([1] * 200, [1, 64, 64, 64, 7]),
        ([MOST_BYTES] * 3, [1, 1, 1]),
        ([1, 2 * MOST_BYTES, 1, 1], [1, 1, 2]),
        ([1, MOST_BYTES // 2, MOST_BYTES // 2, 1], [1, 2, 1]),
    ],
)
async def test_a_round_trip_carries_so_many_bytes_or_one_item(sizes, rounds):
    done, first = [], asyncio.Event()

    async def commit(items):
        done.append(len(items))
        await first.wait()
        return items

    group = GroupCommit(commit, weigh=lambda size: size)
    leader = asyncio.create_task(group.submit(sizes[0]))
    while not done:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(group.submit(size)) for size in sizes[1:]]
    await asyncio.sleep(0)
    first.set()
    assert await asyncio.gather(leader, *rest) == sizes
    assert done == rounds
