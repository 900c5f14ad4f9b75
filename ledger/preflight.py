"""Asked of Redis once, as a process starts: does it let us in, do we have every permission, will it keep what it gets?

Redis that does not answer is no fault here: every process may start before Redis does. What Redis refuses would be
refused for ever, and is the operator's to mend.
"""

import asyncio
import ssl
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.settings import RedisAddress
from ledger import keys
from ledger.connection import connect

#: What the whole check may take, in seconds.
SECONDS = 2.0


#: What is missing where Redis refuses a command, and the command. None of them changes anything.
_PROBES: list[tuple[str, tuple[Any, ...]]] = [
    ("the command PING", ("PING",)),
    ("the commands of scripting (+@scripting)", ("EVAL", "return 1", 0)),
    ("the command TIME", ("TIME",)),
    ("the keys ~umpire:*", ("SET", keys.NOTHING, "", "XX")),
    ("the keys ~umpire.*", ("LLEN", "umpire.mock")),
    ("the keys ~_kombu.*", ("SCARD", "_kombu.binding.celeryev")),
    ("the keys ~celeryev.*", ("LLEN", "celeryev.preflight")),
    ("the keys ~*.celery.pidbox*", ("LLEN", "preflight.reply.celery.pidbox")),
    ("the channels &umpire:*", ("PUBLISH", keys.replies("preflight"), "")),
]


class RedisRefuses(Exception):
    """One line for the operator: what Redis said, or which permission is missing."""


async def preflight(address: RedisAddress, *, seconds: float = SECONDS) -> bool:
    """False: no answer. Raises RedisRefuses."""
    redis = connect(address.url, timeout=seconds, tls=address.tls)
    try:
        async with asyncio.timeout(seconds):
            await _ask(redis, int(redis.connection_pool.connection_kwargs.get("db") or 0))
    except (OSError, RedisError) as error:
        if refusal := _refusal(error):
            raise RedisRefuses(refusal) from error
        return False
    finally:
        await redis.aclose()
    return True


async def _ask(redis: Redis, db: int) -> None:
    for needed, command in _PROBES:
        try:
            await redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except NoPermissionError as error:
            raise RedisRefuses(_lacks(needed, error)) from error
        except RedisConnectionError:
            raise
        except ResponseError:
            # Of another kind: out of memory, read-only, or a key of a wrong type. Each passes, or has its own alarm.
            continue
    for pattern in (f"/{db}.celery.pidbox", f"/{db}.celeryev/*"):
        # As kombu subscribes. Redis matches a subscription's pattern with the ACL's letter by letter.
        await _subscribe(redis, pattern)


async def _subscribe(redis: Redis, pattern: str) -> None:
    subscription = redis.pubsub()
    try:
        await subscription.psubscribe(pattern)
        await subscription.get_message(timeout=SECONDS)
    except NoPermissionError as error:
        raise RedisRefuses(_lacks(f"the channels &{pattern}", error)) from error
    finally:
        await subscription.aclose()  # type: ignore[no-untyped-call]


def _lacks(needed: str, error: Exception) -> str:
    return f"Redis' ACL lacks {needed} for the user of UMPIRE_REDIS_URL (docs/security.md has all it needs): {error}"


def _refusal(error: BaseException) -> str | None:
    """The line for an answer of Redis; None where there was none."""
    if found := _untrusted(error):
        return (
            f"Redis' certificate is not trusted: {found.verify_message}. UMPIRE_REDIS_CA_LOCATION names the file with "
            "the authority that signed it"
        )
    if isinstance(error, AuthenticationError):
        return f"Redis refuses the user or the password of UMPIRE_REDIS_URL: {error}"
    if isinstance(error, NoPermissionError):
        return _lacks("a permission", error)
    if isinstance(error, ResponseError):
        return f"Redis refuses UMPIRE_REDIS_URL: {error}"
    return None


def _untrusted(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """redis-py makes a ConnectionError of it."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


async def durability(redis: Redis) -> list[str]:
    """What is wrong with how Redis keeps what it is given; a line for each. Raises RedisError, OSError.

    INFO and not CONFIG GET, which a managed Redis forbids.
    """
    try:
        told: dict[str, Any] = {**await redis.info("memory"), **await redis.info("persistence")}
    except ResponseError:
        return []  # not to be found out here
    found = []
    policy = told.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(f"maxmemory-policy is {policy}: a full Redis drops accepted requests; set noeviction")
    if not told.get("aof_enabled", 1):
        found.append("appendonly is no: a Redis that restarts forgets accepted requests; set appendonly yes")
    return found


async def durability_of(address: RedisAddress) -> list[str]:
    """The same of a Redis that nobody is connected to yet; nothing where it does not answer."""
    redis = connect(address.url, timeout=SECONDS, tls=address.tls)
    try:
        return await durability(redis)
    except (OSError, RedisError):
        return []
    finally:
        await redis.aclose()
