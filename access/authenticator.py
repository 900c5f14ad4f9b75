"""Authenticates requests: looks up the API key of each and charges it one request, in one round trip, which concurrent
requests share. Redis is asked each time, so that a revoked key is refused at once.

While Redis is unavailable, keys that it confirmed not long ago are checked by a local copy. All others are refused
until Redis answers again.
"""

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError, RedisError

from access.api_key import FIELDS, ApiKey, hash_of, id_of, key_of
from access.request_rate import Rate, charge
from contracts.errors import AuthenticationFailed, Unavailable
from ledger import keys
from ledger.redis.group_commit import GroupCommit
from ledger.scripts import Script, flatten
from telemetry.observer import Note, Observer, silent
from telemetry.outage import Outage

#: Most keys in the local copy; the least recently used one makes room.
MAX_COPIES = 10_000

#: While Redis is unavailable, one request in this many seconds still asks it; the others do not wait for it.
TRY_SECONDS = 0.5

#: Retry-After of a request whose key could not be looked up, in seconds.
RETRY_SECONDS = 2.0


class AuthenticateHead(NamedTuple):
    """Arguments of authenticate.lua, then an AuthenticateRow for each request."""

    names: str = " ".join(FIELDS)
    requests: int = 1


class AuthenticateRow(NamedTuple):
    """The key that a request presented."""

    id: str
    hash: str


class _Lookup(NamedTuple):
    """What Redis returned for a presented key."""

    #: All fields, as authenticate.lua returns them.
    raw: bytes
    #: None if the key has no limit, or Redis is read-only and cannot count.
    rate: Rate | None


@dataclass(slots=True)
class _Copy:
    raw: bytes
    key: ApiKey
    #: By time.monotonic.
    until: float
    #: When the bucket of the local rate is full again, by time.monotonic.
    full_again: float = 0.0


class Authenticated(NamedTuple):
    """The key of an authenticated request. `rate` is None if the key has no limit."""

    key: ApiKey
    rate: Rate | None


class Authenticator:
    def __init__(
        self,
        redis: Redis,
        copy_seconds: float,
        observer: Observer = silent,
        *,
        unanswered: Callable[[], None] = lambda: None,
    ) -> None:
        """`copy_seconds`: how long a key may be used after Redis confirmed it last. `unanswered` is called if Redis did
        not answer, so that the request's next step does not wait for it again.
        """
        self._redis = redis
        self._copy_seconds = copy_seconds
        self._observer = observer
        self._unanswered = unanswered
        self._script = Script(redis, "authenticate", package="access")
        self._group: GroupCommit[AuthenticateRow, _Lookup | None] = GroupCommit(self._look_up)
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._outage = Outage(retry_seconds=TRY_SECONDS)

    async def authenticate(self, text: str, seconds: float) -> Authenticated:
        """Authenticate by the key's text. Redis gets `seconds` to answer. The caller has to refuse a used-up rate.

        Raises
        ------
        AuthenticationFailed
            The text is not a key, or the key is unknown or revoked.
        Unavailable
            Redis is unavailable, and the key is not in the local copy.
        """
        key_id = id_of(text)
        if key_id is None:
            raise AuthenticationFailed("the API key is not well-formed", reason="malformed")
        return await self._authenticate(AuthenticateRow(key_id, hash_of(text)), seconds)

    async def charge(self, key: ApiKey, requests: int, seconds: float) -> Rate | None:
        """Charge the key for further requests of a batch, for all or for none. None if it has no limit. Raises as
        `authenticate`.
        """
        if key.rate is None:
            return None
        return (await self._authenticate(AuthenticateRow(key.id, key.hash), seconds, requests)).rate

    async def _authenticate(self, presented: AuthenticateRow, seconds: float, requests: int = 1) -> Authenticated:
        if self._outage.may_try():
            try:
                async with asyncio.timeout(seconds):
                    if requests == 1:
                        found = await self._group.submit(presented)
                    else:
                        (found,) = await self._look_up([presented], requests)
            except (RedisError, OSError, TimeoutError) as error:
                if self._outage.failed():
                    self._observer(Note("keys.away", "warning", fields={"error": type(error).__name__}))
                self._unanswered()
            else:
                if self._outage.succeeded():
                    self._observer(Note("keys.back", "info"))
                return self._confirmed(presented, found, requests)
        return self._from_copy(presented, requests)

    def _confirmed(self, presented: AuthenticateRow, found: _Lookup | None, requests: int) -> Authenticated:
        if found is None:
            self._copies.pop(presented.id, None)
            raise _refused()
        copy = self._copies.get(presented.id)
        if not hmac.compare_digest(presented.hash.encode(), found.raw.partition(b"\0")[0]):
            raise _refused()
        if copy is None or copy.raw != found.raw:
            fields = dict(zip(FIELDS, found.raw.decode().split("\0"), strict=True))
            copy = _Copy(found.raw, key_of(presented.id, fields), 0.0)
        if copy.key.revoked is not None:
            self._copies.pop(presented.id, None)
            raise _refused()
        copy.until = time.monotonic() + self._copy_seconds
        self._copies[presented.id] = copy
        self._copies.move_to_end(presented.id)
        if len(self._copies) > MAX_COPIES:
            self._copies.popitem(last=False)
        return Authenticated(copy.key, found.rate or _charge(copy, requests))

    def _from_copy(self, presented: AuthenticateRow, requests: int) -> Authenticated:
        copy = self._copies.get(presented.id)
        if copy is None or time.monotonic() > copy.until:
            raise Unavailable("The API key cannot be looked up: Redis is unavailable.", retry_after=RETRY_SECONDS)
        if not hmac.compare_digest(presented.hash, copy.key.hash):
            raise _refused()
        self._observer(Note("key.remembered"))
        return Authenticated(copy.key, _charge(copy, requests))

    async def _look_up(self, presented: Sequence[AuthenticateRow], requests: int = 1) -> list[_Lookup | None]:
        try:
            replies = await self._script(*AuthenticateHead(requests=requests), *flatten(presented))
        except ReadOnlyError:
            return await self._read(presented)
        return [_parsed(reply) if reply else None for reply in replies]

    async def _read(self, presented: Sequence[AuthenticateRow]) -> list[_Lookup | None]:
        """Look up keys in a read-only Redis, which cannot count requests."""
        pipeline = self._redis.pipeline(transaction=False)
        for one in presented:
            pipeline.hmget(keys.api_key(one.id), list(FIELDS))
        found = await pipeline.execute()
        return [_Lookup(b"\0".join(value or b"" for value in raw), None) if raw[0] else None for raw in found]


def _parsed(reply: bytes) -> _Lookup:
    rate, _, raw = reply.partition(b"\0")
    granted, left, wait = rate.split()
    return _Lookup(raw, Rate(granted == b"1", int(left), int(wait) / 1_000_000) if wait != b"0" else None)


def _charge(copy: _Copy, requests: int) -> Rate | None:
    """Charge requests, counted by this process alone."""
    if copy.key.rate is None:
        return None
    rate, copy.full_again = charge(copy.full_again, time.monotonic(), copy.key.rate, requests)
    return rate


def _refused() -> AuthenticationFailed:
    """The same error for an unknown id, a wrong secret and a revoked key, so that it reveals no ids."""
    return AuthenticationFailed("the API key is not known here, or was revoked", reason="unknown")
