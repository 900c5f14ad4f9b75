"""Cancelling in the ledger: what no worker holds ends at once and for all, and what it leaves behind does no harm."""

import pytest
from umpire_ledger import MOCK, ending, stored

from contracts.enums import QueueStatus
from ledger.cancellation import Cancellation
from ledger.claims import Return, Who

pytestmark = pytest.mark.redis


def cancelled(request):
    return ending(request.queue_id, QueueStatus.CANCELLED, Who.IDLE)


@pytest.fixture
def cancellation(house):
    return Cancellation(house.redis, house.settings)


async def test_a_queued_request_ends_and_its_pointer_is_harmless(house, cancellation):
    request, after = stored(), stored()
    await house.admit(request, after)
    assert (await cancellation.find(request.queue_id)).stored.queue_id == request.queue_id
    entry_id = await cancellation.cancel(cancelled(request))
    assert [row[0] for row in await house.entries()] == [entry_id]
    found = await cancellation.find(request.queue_id)
    assert (found.state, found.stored) == ("cancelled", None)
    # Its message still stands first in the queue.
    assert len(await house.messages("umpire.mock:9")) == 2
    claimed = await house.claims().claim(str(request.queue_id), more=5)
    assert [one.stored.queue_id for one in claimed] == [after.queue_id]
    sizes = await house.ledger.sizes()
    assert (sizes.unfinished, sizes.bytes) == (1, len(after.model_dump_json(exclude_none=True)))
    assert await house.custody().push_lost(MOCK) == 0
    assert await cancellation.cancel(cancelled(request)) is None
    assert len(await house.entries()) == 1


async def test_a_deferred_request_ends_and_is_not_pushed_again(house, cancellation):
    request = stored()
    await house.admit(request)
    claims = house.claims()
    await claims.claim(None, more=1)
    await claims.give_back([Return(request, delay=0.001, counts=True, spent=b"{}")])
    assert (await cancellation.find(request.queue_id)).spent == b"{}"
    assert await cancellation.cancel(cancelled(request))
    assert await house.custody().push_due(MOCK) == 0
    assert await house.messages("umpire.mock:9") == []


async def test_what_a_worker_holds_is_left_to_it(house, cancellation):
    request = stored()
    await house.admit(request)
    claims = house.claims()
    await claims.claim(None, more=1)
    assert await cancellation.cancel(cancelled(request)) is None
    assert await claims.finish(ending(request.queue_id))
    assert (await cancellation.find(request.queue_id)).state == "completed"
    assert len(await house.entries()) == 1


async def test_what_nobody_knows_is_not_found(house, cancellation):
    assert await cancellation.find(stored().queue_id) is None
