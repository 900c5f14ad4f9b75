"""A group commit is bounded by what it carries, not by its number of items alone."""

import asyncio

import pytest

from ledger.redis.group_commit import MAX_BATCH_BYTES, GroupCommit


@pytest.mark.parametrize(
    ("sizes", "rounds"),
    [
        ([1] * 5, [1, 4]),
        ([1] * 200, [1, 64, 64, 64, 7]),
        ([MAX_BATCH_BYTES] * 3, [1, 1, 1]),
        ([1, 2 * MAX_BATCH_BYTES, 1, 1], [1, 1, 2]),
        ([1, MAX_BATCH_BYTES // 2, MAX_BATCH_BYTES // 2, 1], [1, 2, 1]),
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


async def test_one_alone_goes_at_once_and_a_few_after_a_shared_round_trip_go_together():
    done = []

    async def commit(items):
        done.append(list(items))
        return items

    group = GroupCommit(commit)
    for n in range(3):
        assert await group.submit(n) == n
    assert done == [[0], [1], [2]]
    first = [asyncio.create_task(group.submit(n)) for n in range(3)]
    while len(done) < 4:
        await asyncio.sleep(0)
    # While the last round trip is shared, whoever comes within its moment of gathering goes with it.
    second = []
    for n in range(3, 6):
        second.append(asyncio.create_task(group.submit(n)))
        for _ in range(5):
            await asyncio.sleep(0)  # each would have gone by itself by now
    await asyncio.gather(*first, *second)
    assert done[3:] == [[0, 1, 2], [3, 4, 5]]


async def test_what_may_wait_goes_with_the_next_that_may_not():
    done = []

    async def commit(items):
        done.append(list(items))
        return items

    group = GroupCommit(commit)
    patient = [asyncio.create_task(group.submit(n, within=60)) for n in range(2)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not done
    assert await group.submit(2) == 2
    assert await asyncio.gather(*patient) == [0, 1]
    assert done == [[0, 1, 2]]
    # By itself, when its time is up; and again after that.
    for n in (3, 4):
        assert await group.submit(n, within=0.01) == n
    assert done[1:] == [[3], [4]]


async def test_what_may_wait_waits_behind_a_round_trip_that_is_out():
    done, first = [], asyncio.Event()

    async def commit(items):
        done.append(list(items))
        await first.wait()
        return items

    group = GroupCommit(commit)
    leader = asyncio.create_task(group.submit(0))
    while not done:
        await asyncio.sleep(0)
    patient = asyncio.create_task(group.submit(1, within=60))
    await asyncio.sleep(0)
    first.set()
    await leader
    for _ in range(5):
        await asyncio.sleep(0)
    assert done == [[0]]
    assert await group.submit(2) == 2
    assert await patient == 1
    assert done == [[0], [1, 2]]
