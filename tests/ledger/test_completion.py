"""Cancelling in the ledger: what no worker holds ends at once and for all, and what it leaves behind does no harm."""

import pytest
from umpire_ledger import MOCK, ending, stored

from contracts.enums import QueueStatus
from ledger.claims import Release
from ledger.completion import CompletedBy, UnclaimedRequests

pytestmark = pytest.mark.redis


def cancelled(request):
    return ending(request.queue_id, QueueStatus.CANCELLED, CompletedBy.UNCLAIMED)


@pytest.fixture
def unstarted(house):
    return UnclaimedRequests(house.redis, house.settings, owner="door")


async def test_a_queued_request_ends_and_its_pointer_is_harmless(house, unstarted):
    request, after = stored(), stored()
    await house.admit(request, after)
    assert (await unstarted.find(request.queue_id)).stored.queue_id == request.queue_id
    entry_id = await unstarted.end(cancelled(request))
    assert [row[0] for row in await house.entries()] == [entry_id]
    found = await unstarted.find(request.queue_id)
    assert (found.state, found.stored) == ("cancelled", None)
    # Its message still stands first in the queue.
    assert len(await house.messages("umpire.mock:9")) == 2
    claimed = await house.claims().claim(str(request.queue_id), more=5)
    assert [one.stored.queue_id for one in claimed] == [after.queue_id]
    assert (await house.ledger.stats.sizes()).unfinished == 1
    assert await house.sweeps().push_lost(MOCK) == 0
    assert await unstarted.end(cancelled(request)) is None
    assert len(await house.entries()) == 1


async def test_a_deferred_request_ends_and_is_not_pushed_again(house, unstarted):
    request = stored()
    await house.admit(request)
    claims = house.claims()
    await claims.claim(None, more=1)
    await claims.release([Release(request, delay=0.001, counts=True, spent=b"{}")])
    assert (await unstarted.find(request.queue_id)).spent == b"{}"
    assert await unstarted.end(cancelled(request))
    assert await house.sweeps().push_due(MOCK) == 0
    assert await house.messages("umpire.mock:9") == []


async def test_what_a_worker_holds_is_left_to_it(house, unstarted):
    request = stored()
    await house.admit(request)
    claims = house.claims()
    await claims.claim(None, more=1)
    assert await unstarted.end(cancelled(request)) is None
    assert await claims.finish(ending(request.queue_id))
    assert (await unstarted.find(request.queue_id)).state == "completed"
    assert len(await house.entries()) == 1


async def test_what_nobody_knows_is_not_found(house, unstarted):
    assert await unstarted.find(stored().queue_id) is None
