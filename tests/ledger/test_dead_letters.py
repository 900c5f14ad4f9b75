"""From the outbox to the dead letters and back: each entry is in one of them, and its event never changes."""

from umpire_ledger import House, ending, stored

from contracts.clock import utcnow
from ledger.outbox import Disposition, Undelivered


async def finished(house: House, count: int) -> list[bytes]:
    """So many results in the outbox. Returns the ids of their entries."""
    requests = [stored() for _ in range(count)]
    await house.admit(*requests)
    claims = house.claims()
    return [await claims.finish(ending(request.queue_id)) or b"" for request in requests]


async def test_a_refused_result_moves_with_its_event_and_a_retriable_one_waits(house: House) -> None:
    refused, away, unknown = await finished(house, 3)
    before = {row[0]: row[1] for row in await house.entries()}
    dispositions = await house.outbox.undelivered(
        [
            Undelivered(refused, "MSG_SIZE_TOO_LARGE", 0),
            Undelivered(away, "_MSG_TIMED_OUT", None),
            Undelivered(unknown, "UNKNOWN_TOPIC_OR_PART", 60),
            Undelivered(b"1-1", "TOPIC_EXCEPTION", 0),
        ]
    )
    assert [disposition for disposition, _ in dispositions] == [
        Disposition.DEAD,
        Disposition.WAITS,
        Disposition.WAITS,
        Disposition.GONE,
    ]
    entry = dispositions[0][1]
    assert entry is not None
    assert entry.event == before[refused][b"e"]
    assert [row[0] for row in await house.entries()] == [away, unknown]
    (letter,) = await house.dead.newest(10)
    assert (letter.queue_id, letter.reason, letter.topic) == (entry.queue_id, "MSG_SIZE_TOO_LARGE", "answers")
    assert (letter.size, letter.event) == (len(entry.event), b"")
    assert abs((utcnow() - letter.at).total_seconds()) < 5
    read = await house.dead.read(entry.queue_id)
    assert read is not None
    assert (read.event, read.key) == (entry.event, "key")
    assert (await house.ledger.stats.sizes()).dead == 1
    # Told once more, by another worker: it is gone from the outbox, and stands in the dead letters once.
    assert [disposition for disposition, _ in await house.outbox.undelivered([Undelivered(refused, "X", 0)])] == [
        Disposition.GONE
    ]
    assert await house.dead.count() == 1


async def test_an_unknown_topic_is_for_good_only_when_it_stays_unknown(house: House) -> None:
    """However old the entry: Kafka may have been away, and the topic about to be made."""
    old = await house.redis.xadd("umpire:outbox", {"i": "old", "t": "t", "k": "k", "e": "e"}, id="1-1")
    for disposition in (Disposition.WAITS, Disposition.WAITS, Disposition.DEAD):
        if disposition is Disposition.DEAD:
            await house.redis.zincrby("umpire:outbox:doubted", -60_000, old)
        ((told, _),) = await house.outbox.undelivered([Undelivered(old, "UNKNOWN_TOPIC_OR_PART", 60)])
        assert told is disposition
    (known,) = await finished(house, 1)
    await house.outbox.undelivered([Undelivered(known, "UNKNOWN_TOPIC_OR_PART", 60)])
    await house.confirm(known)
    assert await house.redis.zcard("umpire:outbox:doubted") == 0


async def test_full_dead_letters_leave_a_result_in_the_outbox(house: House) -> None:
    entries = await finished(house, 4)
    dispositions = await house.outbox.undelivered([Undelivered(entry, "TOPIC_EXCEPTION", 0) for entry in entries])
    assert [disposition for disposition, _ in dispositions] == [Disposition.DEAD] * 3 + [Disposition.FULL]
    assert [row[0] for row in await house.entries()] == [entries[3]]


async def test_what_was_not_delivered_is_due_once_and_only_after_a_pause(house: House) -> None:
    first, second = await finished(house, 2)
    await house.outbox.undelivered([Undelivered(entry, "_QUEUE_FULL", None) for entry in (first, second)])
    assert await house.outbox.take_due(10) == (0, [])
    await house.redis.zadd("umpire:outbox:due", {first: 1, second: 2}, xx=True)
    await house.confirm(second)
    taken, entries = await house.outbox.take_due(10)
    assert (taken, [entry.entry_id for entry in entries]) == (2, [first])
    assert entries == await house.outbox.read([first, second])
    assert await house.outbox.take_due(10) == (0, [])


async def test_replay_puts_the_same_event_back_to_be_sent_at_once(house: House) -> None:
    entries = await finished(house, 3)
    dead = [entry for _, entry in await house.outbox.undelivered([Undelivered(e, "R", 0) for e in entries]) if entry]
    ids = [entry.queue_id for entry in dead]
    assert sorted(await house.dead.ids()) == sorted(ids)
    assert await house.dead.replay([ids[0], "unknown"]) == [ids[0]]
    assert await house.dead.replay([ids[1]], "elsewhere") == [ids[1]]
    taken, due = await house.outbox.take_due(10)
    assert taken == 2
    assert [(e.queue_id, e.topic, e.key, e.event) for e in due] == [
        (ids[0], "answers", "key", dead[0].event),
        (ids[1], "elsewhere", "key", dead[1].event),
    ]
    assert await house.dead.drop([*ids]) == [ids[2]]
    assert (await house.dead.count(), await house.dead.read(ids[2]), await house.dead.newest(5)) == (0, None, [])
    # Not one key is left of them.
    assert await house.redis.keys("umpire:dead*") == []
