"""Checks of Redis when a process starts: its login, every permission that we need, and whether it keeps its data.

No answer is not an error: every process may start before Redis does. A refusal is one: it is permanent until the
operator corrects the settings.
"""

import asyncio
import ssl
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.settings.redis import RedisAddress
from ledger import keys
from ledger.redis.connection import connect

#: Time limit of the whole check, in seconds.
TIMEOUT_SECONDS = 2.0


#: The permission that is missing if Redis refuses a command, and the command. None of the commands changes anything.
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
    """One line for the operator: Redis' error, or the missing permission."""


async def preflight(address: RedisAddress, *, seconds: float = TIMEOUT_SECONDS) -> bool:
    """Check login and permissions. False if Redis did not answer within `seconds`. Raises RedisRefuses."""
    redis = connect(address.url, timeout=seconds, tls=address.tls)
    try:
        async with asyncio.timeout(seconds):
            await _check(redis, int(redis.connection_pool.connection_kwargs.get("db") or 0))
    except (OSError, RedisError) as error:
        if refusal := _refusal(error):
            raise RedisRefuses(refusal) from error
        return False
    finally:
        await redis.aclose()
    return True


async def _check(redis: Redis, db: int) -> None:
    for needed, command in _PROBES:
        try:
            await redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except NoPermissionError as error:
            raise RedisRefuses(_missing_permission(needed, error)) from error
        except RedisConnectionError:
            raise
        except ResponseError:
            # Another error: out of memory, read-only, or a key of a wrong type. Temporary, or reported elsewhere.
            continue
    for pattern in (f"/{db}.celery.pidbox", f"/{db}.celeryev/*"):
        # The patterns that kombu subscribes to. Redis compares a pattern literally with those of the ACL.
        await _subscribe(redis, pattern)


async def _subscribe(redis: Redis, pattern: str) -> None:
    subscription = redis.pubsub()
    try:
        await subscription.psubscribe(pattern)
        await subscription.get_message(timeout=TIMEOUT_SECONDS)
    except NoPermissionError as error:
        raise RedisRefuses(_missing_permission(f"the channels &{pattern}", error)) from error
    finally:
        await subscription.aclose()  # type: ignore[no-untyped-call]


def _missing_permission(needed: str, error: Exception) -> str:
    return f"Redis' ACL lacks {needed} for the user of UMPIRE_REDIS_URL (docs/security.md has all it needs): {error}"


def _refusal(error: BaseException) -> str | None:
    """The operator's line if Redis refused us; None if it did not answer."""
    if found := _certificate_error(error):
        return (
            f"Redis' certificate is not trusted: {found.verify_message}. UMPIRE_REDIS_CA_LOCATION names the file with "
            "the authority that signed it"
        )
    if isinstance(error, AuthenticationError):
        return f"Redis refuses the user or the password of UMPIRE_REDIS_URL: {error}"
    if isinstance(error, NoPermissionError):
        return _missing_permission("a permission", error)
    if isinstance(error, ResponseError):
        return f"Redis refuses UMPIRE_REDIS_URL: {error}"
    return None


def _certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The certificate error behind redis-py's ConnectionError, if there is one."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


async def durability(redis: Redis) -> list[str]:
    """Warnings about settings of Redis that may lose data, one line each. Raises RedisError, OSError.

    Uses INFO, because a managed Redis forbids CONFIG GET.
    """
    try:
        info: dict[str, Any] = {**await redis.info("memory"), **await redis.info("persistence")}
    except ResponseError:
        return []  # this Redis does not let us find out
    found = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(f"maxmemory-policy is {policy}: a full Redis drops accepted requests; set noeviction")
    if not info.get("aof_enabled", 1):
        found.append("appendonly is no: a Redis that restarts forgets accepted requests; set appendonly yes")
    return found


async def durability_of(address: RedisAddress) -> list[str]:
    """The same over a new connection; empty if Redis does not answer."""
    redis = connect(address.url, timeout=TIMEOUT_SECONDS, tls=address.tls)
    try:
        return await durability(redis)
    except (OSError, RedisError):
        return []
    finally:
        await redis.aclose()
