"""API keys: their text, the store, and authentication on a real Redis, there or away."""

import asyncio
import hashlib
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from umpire_guard import Notes

from access.api_key import DEFAULT_SCOPES, PREFIX, _checksum, hash_of, id_of, new_text
from access.api_keys import ApiKeys
from access.authenticator import Authenticator
from access.request_rate import WINDOW, charge
from contracts.errors import AuthenticationFailed, Unavailable
from devtools.redis import RedisServer
from ledger import keys
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

#: Made once. The shape, the checksum's rule and the hash are known to scanners and to stored keys: they never change.
EXAMPLE = "umpire_0123456789ab_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123452tMhs9"


async def made(redis: Redis, **limits: Any) -> tuple[str, str]:
    key, text = await ApiKeys(redis).create("n", DEFAULT_SCOPES, **limits)
    return key.id, text


def test_a_key_is_known_by_its_shape_and_checksum() -> None:
    texts = {new_text() for _ in range(200)}
    assert len({id_of(text) for text in texts} - {None}) == 200
    text = texts.pop()
    assert text.startswith(PREFIX)
    assert hash_of(text) == hashlib.sha256(text.encode()).hexdigest()
    assert id_of(EXAMPLE) == "0123456789ab"
    for wrong in ("", PREFIX, text[:-1], text + "A", text.lower(), f" {text}", f"{text}\n", text.replace("_", "-")):
        assert id_of(wrong) is None


@given(place=st.integers(0, len(EXAMPLE) - 1), letter=st.sampled_from(string.ascii_letters + string.digits + "_é"))
def test_a_mistyped_character_is_detected_without_redis(place: int, letter: str) -> None:
    typed = EXAMPLE[:place] + letter + EXAMPLE[place + 1 :]
    assert id_of(typed) == ("0123456789ab" if typed == EXAMPLE else None)


async def test_the_secret_is_nowhere_in_redis(redis: Redis) -> None:
    key_id, text = await made(redis, rate=60)
    await Authenticator(redis, 60).authenticate(text, 1)
    secret = text.rpartition("_")[2][:32].encode()
    for key in await redis.keys("*"):
        assert secret not in key + (await redis.dump(key))
    assert await redis.hget(keys.api_key(key_id), "hash") == hash_of(text).encode()


async def test_unknown_wrong_and_revoked_keys_are_refused_with_the_same_error(redis: Redis) -> None:
    key_id, text = await made(redis)
    authenticator = Authenticator(redis, 60)
    assert (await authenticator.authenticate(text, 1)).key.id == key_id
    other_secret = _rechecked(f"{PREFIX}{key_id}_{'x' * 32}")
    refusals = {await _refusal(authenticator, wrong) for wrong in (new_text(), other_secret)}
    assert await ApiKeys(redis).revoke([key_id, "nothing"]) == [key_id]
    refusals.add(await _refusal(authenticator, text))
    assert len(refusals) == 1
    assert (await _refusal(authenticator, text[:-1]))[1] == repr({"reason": "malformed"})


async def test_a_revocation_applies_at_once_in_other_processes_and_keeps_its_time(redis: Redis, redis_url: str) -> None:
    key_id, text = await made(redis)
    elsewhere = connect(redis_url, timeout=2.0)
    here, there = Authenticator(redis, 60), Authenticator(elsewhere, 60)
    for one in (here, there):
        await one.authenticate(text, 1)
    await ApiKeys(redis).revoke([key_id])
    for one in (here, there):
        await _refusal(one, text)
    revoked = await redis.hget(keys.api_key(key_id), "revoked")
    assert await ApiKeys(redis).revoke([key_id]) == [key_id]
    assert await redis.hget(keys.api_key(key_id), "revoked") == revoked
    await elsewhere.aclose()


async def test_a_rate_is_shared_by_all_processes_and_a_wrong_secret_uses_none_of_it(redis: Redis) -> None:
    key_id, text = await made(redis, rate=10)
    _, unlimited = await made(redis)
    one, two = Authenticator(redis, 60), Authenticator(redis, 60)
    stolen_id = _rechecked(f"{PREFIX}{key_id}_{'x' * 32}")
    await asyncio.gather(*(_refusal(one, stolen_id) for _ in range(20)))
    known = await asyncio.gather(*((one, two)[n % 2].authenticate(text, 5) for n in range(14)))
    rates = [it.rate for it in known if it.rate]
    assert sorted(rate.granted for rate in rates) == [False] * 4 + [True] * 10
    assert sorted(rate.left for rate in rates if rate.granted) == list(range(10))
    assert all(0 < rate.wait <= 6 for rate in rates if not rate.granted)
    assert (await one.authenticate(unlimited, 5)).rate is None
    assert 0 < await redis.pttl(f"umpire:rate:{key_id}") <= 60_000


async def test_a_redis_clock_that_was_set_back_does_not_lock_a_key_out(redis: Redis) -> None:
    key_id, text = await made(redis, rate=600)
    seconds, _ = await redis.time()
    await redis.set(f"umpire:rate:{key_id}", (seconds + 86_400) * 1_000_000)
    rate = (await Authenticator(redis, 60).authenticate(text, 5)).rate
    assert rate is not None
    assert (rate.granted, rate.left) == (True, 599)


def test_the_local_rate_follows_the_rule_of_the_script() -> None:
    full_again, granted = 0.0, 0
    for n in range(3_000):  # 50 a second for a minute
        rate, full_again = charge(full_again, 1_000 + n / 50, 120)
        granted += rate.granted
        assert rate.wait > 0
        assert 0 <= rate.left < 120
    assert granted in {239, 240}  # a minute's worth at once, and one in the minute that followed
    assert charge(full_again, 1_000 + 2 * WINDOW + 60, 120)[0].left == 119


async def test_a_batch_is_charged_whole_or_not_at_all(redis: Redis) -> None:
    _, text = await made(redis, rate=60)
    authenticator = Authenticator(redis, 60)
    key = (await authenticator.authenticate(text, 5)).key
    granted = await authenticator.charge(key, 49, 5)
    assert granted is not None
    assert (granted.granted, granted.left) == (True, 10)
    refused = await authenticator.charge(key, 20, 5)
    assert refused is not None
    assert (refused.granted, refused.left) == (False, 10)
    assert 9 < refused.wait <= 10, "until 20 may come"
    again = (await authenticator.authenticate(text, 5)).rate
    assert again is not None
    assert again.left == 9


def test_the_local_rule_charges_a_batch_as_the_script_does() -> None:
    rate, full_again = charge(0.0, 1_000, 60, 50)
    assert (rate.granted, rate.left) == (True, 10)
    refused, same = charge(full_again, 1_000, 60, 20)
    assert (refused.granted, refused.left, round(refused.wait)) == (False, 10, 10)
    assert same == full_again


async def test_concurrent_requests_share_round_trips(redis: Redis) -> None:
    texts = [(await made(redis))[1] for _ in range(8)]
    authenticator = Authenticator(redis, 60)
    await authenticator.authenticate(texts[0], 1)
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    known = await asyncio.gather(*(authenticator.authenticate(text, 5) for text in texts * 8))
    assert len({it.key.id for it in known}) == 8
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before <= 3


@asynccontextmanager
async def away(server: RedisServer, way: str) -> AsyncIterator[None]:
    if way == "killed":
        server.kill()
        yield
        return
    if way == "frozen":
        server.pause()
        yield
        server.resume()
        return
    there, back = {
        "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        "read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    }[way]
    server.command(*there)
    yield
    server.command(*back)


@pytest.mark.parametrize("way", ["killed", "frozen"])
async def test_without_redis_only_recent_keys_are_accepted(redis_server: Any, way: str, notes: Notes) -> None:
    server, unanswered = redis_server(aof=True), []
    redis = connect(server.url, timeout=0.5)
    key_id, known = await made(redis, rate=5)
    _, forgotten = await made(redis)
    _, unseen = await made(redis)
    authenticator = Authenticator(redis, 60, notes, unanswered=lambda: unanswered.append(1))
    brief = Authenticator(redis, 0, notes)
    await authenticator.authenticate(known, 1)
    await brief.authenticate(forgotten, 1)
    async with away(server, way):
        rates = [(await authenticator.authenticate(known, 0.5)).rate for _ in range(7)]
        assert [rate.granted for rate in rates if rate] == [True] * 5 + [False] * 2
        assert unanswered
        for one, text in ((authenticator, unseen), (brief, forgotten)):
            with pytest.raises(Unavailable) as refused:
                await one.authenticate(text, 0.5)
            assert refused.value.retry_after
        await _refusal(authenticator, _rechecked(f"{PREFIX}{key_id}_{'x' * 32}"))
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            await authenticator.authenticate(known, 0.5)
        assert asyncio.get_running_loop().time() - began < 4, "one in half a second asks Redis, the others do not wait"
    assert len(notes.named("keys.away")) == 2
    await redis.aclose()


@pytest.mark.parametrize("way", ["full", "read-only"])
async def test_a_read_only_redis_still_authenticates(redis_server: Any, way: str) -> None:
    server = redis_server(aof=True)
    redis = connect(server.url, timeout=2)
    _, limited = await made(redis, rate=3)
    key_id, other = await made(redis)
    authenticator = Authenticator(redis, 0)
    async with away(server, way):
        rates = [(await authenticator.authenticate(limited, 1)).rate for _ in range(4)]
        assert [rate.granted for rate in rates if rate] == [True] * 3 + [False]
        assert (await authenticator.authenticate(other, 1)).rate is None
        await _refusal(authenticator, new_text())
        if way == "full":
            assert await ApiKeys(redis).revoke([key_id]) == [key_id]
            await _refusal(authenticator, other)
    await redis.aclose()


async def test_the_local_copy_is_bounded(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("access.authenticator.MAX_COPIES", 3)
    texts = [(await made(redis))[1] for _ in range(5)]
    authenticator = Authenticator(redis, 60)
    for text in [*texts, texts[2]]:
        await authenticator.authenticate(text, 1)
    assert list(authenticator._copies) == [id_of(texts[n]) for n in (3, 4, 2)]


async def _refusal(authenticator: Authenticator, text: str) -> tuple[str, str]:
    with pytest.raises(AuthenticationFailed) as refused:
        await authenticator.authenticate(text, 5)
    assert text not in repr(refused.value) + refused.value.message + repr(refused.value.details)
    return refused.value.message, repr(refused.value.details)


def _rechecked(body: str) -> str:
    """Well-formed, with a secret of the caller's choice."""
    return body + _checksum(body)
