"""The ledger's bounds on what is unfinished and what Kafka has not taken, and when it takes requests again."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from umpire_ledger import House, ending, stored

from contracts.enums import LLMProviderType
from contracts.errors import QueueFull
from contracts.settings import LedgerSettings
from ledger.ledger import Ledger
from ledger.outbox import Undelivered
from ledger.watermarks import Watermarks

pytestmark = pytest.mark.redis


@given(st.booleans(), st.integers(0, 12), st.integers(0, 12_000), st.integers(1, 5_000))
def test_the_bounds_are_never_exceeded(refusing, count, size, incoming):
    marks = Watermarks.of(10, 0.01, low=0.5, high=1.0)
    if not marks.refuse(refusing, count, size, incoming):
        assert count + 1 <= 10
        assert size + incoming <= 10_000
        assert not refusing or (count <= 5 and size <= 5_000)


async def test_full_by_count_it_lets_in_what_fits_and_nothing_more_until_the_low_mark(redis):
    house = House(redis, LedgerSettings(ledger_max_size=4, ledger_low_watermark=0.5))
    requests = [stored() for _ in range(6)]
    outcomes = await asyncio.gather(*(house.ledger.admit(one) for one in requests), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, QueueFull)]
    assert len(refused) == 2
    assert all(error.retry_after for error in refused)
    assert all(error.details["limit"] == "requests" for error in refused)
    assert (await house.ledger.stats.sizes()).full
    another = House(redis, house.settings)  # another API process: the state is in Redis
    (ended, other, *_), entry = requests, None
    for request in (ended, other):
        with pytest.raises(QueueFull) as full:
            await another.ledger.admit(stored())
        assert full.value.details["size"] == 4 - (entry is not None)
        entry = await house.claims().finish(ending(request.queue_id))
        await house.confirm(entry)
    assert not (await house.ledger.stats.sizes()).full
    await another.ledger.admit(stored())
    await house.ledger.admit(stored())
    with pytest.raises(QueueFull):
        await house.ledger.admit(stored())
    assert (await house.ledger.stats.sizes()).unfinished == 4


async def test_full_by_bytes_it_refuses_a_small_one_too_until_the_low_mark(redis):
    house = House(redis, LedgerSettings(ledger_max_memory_mb=0.01, ledger_low_watermark=0.2))
    large = stored(prompt="x" * 8_000)
    await house.ledger.admit(large)
    for size in (4_000, 1):
        with pytest.raises(QueueFull) as full:
            await house.ledger.admit(stored(prompt="x" * size))
        assert full.value.details["limit"] == "memory"
    await house.claims().finish(ending(large.queue_id))
    await house.ledger.admit(stored())


async def test_what_kafka_has_not_taken_counts_by_number_and_bytes_until_it_is_confirmed(redis):
    house = House(redis, LedgerSettings(ledger_max_size=2, ledger_low_watermark=0.5))
    requests = [stored(), stored()]
    await house.admit(*requests)
    entries = [await house.claims().finish(ending(request.queue_id)) for request in requests]
    sizes = await house.ledger.stats.sizes()
    assert (sizes.unfinished, sizes.outbox, sizes.full) == (0, 2, True)
    assert sizes.bytes == sum(len(fields[b"e"]) for _, fields in await house.entries())
    with pytest.raises(QueueFull):
        await house.ledger.admit(stored())
    await house.confirm(entries[0])
    await house.confirm(entries[0])  # twice does no harm
    await house.ledger.admit(stored())


async def test_a_dead_letter_is_out_of_the_ledgers_bounds_and_a_replayed_one_is_back(redis):
    house = House(redis)
    request = stored()
    await house.admit(request)
    entry = await house.claims().finish(ending(request.queue_id))
    held = (await house.ledger.stats.sizes()).bytes
    await house.outbox.undelivered([Undelivered(entry, "MSG_SIZE_TOO_LARGE", 0.0)])
    assert (await house.ledger.stats.sizes()).bytes == 0
    await house.dead.replay([str(request.queue_id)])
    assert (await house.ledger.stats.sizes()).bytes == held > 0


async def test_a_replay_and_a_repeated_key_are_known_while_it_refuses(redis):
    house = House(redis, LedgerSettings(ledger_max_size=1))
    request = stored()
    await house.admit(request)
    with pytest.raises(QueueFull):
        await house.ledger.admit(stored())
    assert await house.ledger.admit(request) == 0


@pytest.mark.parametrize("bound", [{"ledger_max_size": 10}, {"ledger_max_memory_mb": 0.01}], ids=["count", "bytes"])
async def test_one_providers_backlog_leaves_room_for_the_others(redis, bound):
    """Away for hours, it would else fill the ledger, and everybody would be refused."""
    house = House(redis, LedgerSettings(**bound))
    ledger = Ledger(redis, house.settings, share=0.6)
    size = {"prompt": "x" * 1_000 if "ledger_max_memory_mb" in bound else "x"}
    down = [stored(provider=LLMProviderType.OPENAI, **size) for _ in range(9)]
    outcomes = await asyncio.gather(*(ledger.admit(one) for one in down), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, QueueFull)]
    assert refused
    assert {error.details["limit"] for error in refused} == {"provider"}
    taken = [one for one, outcome in zip(down, outcomes, strict=True) if isinstance(outcome, int)]
    assert len(taken) == 6 if "ledger_max_size" in bound else len(taken) in {3, 4, 5}
    await ledger.admit(stored(**size))
    # What was promised elsewhere goes in, and counts.
    await ledger.admit(refused_one := stored(provider=LLMProviderType.OPENAI, **size), accepted=True)
    for one in (*taken[:2], refused_one):
        await house.claims().finish(ending(one.queue_id))
    await ledger.admit(stored(provider=LLMProviderType.OPENAI, **size))


@pytest.mark.parametrize(
    ("marks", "effective"),
    [
        ({"ledger_provider_share": 0.8}, 0.8),
        ({"ledger_provider_share": 0.95}, 0.9),
        ({"ledger_provider_share": 1.0, "ledger_high_watermark": 0.8, "ledger_low_watermark": 0.6}, 0.75),
        # Drained is empty: a share of it would let nobody in.
        ({"ledger_provider_share": 0.8, "ledger_low_watermark": 0.0}, 0.8),
    ],
)
def test_a_providers_share_is_at_most_what_the_ledger_must_drain_to(marks, effective):
    assert LedgerSettings(**marks).effective_provider_share == pytest.approx(effective)


async def test_one_providers_backlog_does_not_keep_a_full_ledger_refusing(redis):
    house = House(redis, LedgerSettings(ledger_max_size=20, ledger_provider_share=0.95))
    ledger = Ledger(redis, house.settings, share=house.settings.effective_provider_share)
    down = [stored(provider=LLMProviderType.OPENAI) for _ in range(20)]
    taken = await asyncio.gather(*(ledger.admit(one) for one in down), return_exceptions=True)
    assert sum(isinstance(outcome, int) for outcome in taken) == 18
    others = [stored(), stored()]
    for one in others:
        await ledger.admit(one)
    with pytest.raises(QueueFull):
        await ledger.admit(stored())
    for one in others:
        await house.confirm(await house.claims().finish(ending(one.queue_id)))
    await ledger.admit(stored())
