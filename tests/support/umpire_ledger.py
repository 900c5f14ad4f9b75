"""What the ledger's tests share: requests, endings, one worker's and one custodian's side, and a look at every key."""

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from access.api_key import FIELDS
from contracts.clock import utcnow
from contracts.enums import LLMProviderType, QueueStatus
from contracts.http import LLMComparisonRequest
from contracts.settings import LedgerSettings
from ledger.claims import Claims, Lease
from ledger.completion import CompletedBy, Completion
from ledger.keys import API_KEYS, api_key
from ledger.ledger import Ledger
from ledger.outbox import Delivered, Outbox
from ledger.outbox.dead_letters import DeadLetters
from ledger.request import StoredRequest
from ledger.sweeps import Sweeps

MOCK = LLMProviderType.MOCK
LEASE = 1.0


async def redis_is_up(ledger: Ledger) -> bool:
    return await ledger.stats.redis_state() == "up"


def stored(
    queue_id: UUID | None = None,
    *,
    provider: LLMProviderType = MOCK,
    priority: int = 0,
    ttl: float = 3600.0,
    prompt: str = "Which essay is better?",
    owner: str | None = None,
) -> StoredRequest:
    now = utcnow()
    return StoredRequest(
        queue_id=queue_id or uuid4(),
        correlation_id=uuid4(),
        request=LLMComparisonRequest(user_prompt=prompt, callback_topic="answers", priority=priority),
        provider=provider,
        model="mock-1",
        requested_at=now,
        expires_at=now + timedelta(seconds=ttl),
        owner=owner,
    )


def ending(
    queue_id: UUID | str,
    state: QueueStatus = QueueStatus.COMPLETED,
    by: CompletedBy = CompletedBy.ANY,
    cost: float = 0.0,
    *,
    code: str = "-",
    claimed: float | None = None,
) -> Completion:
    event = b'{"data":"' + str(queue_id).encode() + b'"}'
    return Completion(str(queue_id), state, by, "answers", "key", event, cost, code=code, claimed=claimed)


def lease_of(request: StoredRequest, number: int = 1) -> Lease:
    """As its worker has it, by its claim of that number."""
    return Lease(str(request.queue_id), number, math.inf)


@dataclass
class House:
    """One Redis, the door's ledger, and as many workers as asked for."""

    redis: Redis
    settings: LedgerSettings = field(
        default_factory=lambda: LedgerSettings(lease_seconds=LEASE, max_lapses=3, lost_pointer_seconds=0.05)
    )

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.redis, self.settings)
        self.outbox = Outbox(self.redis, max_dead=3)
        self.dead = DeadLetters(self.redis)

    def claims(self, owner: str = "one", *, provider: LLMProviderType = MOCK, cap: float = 60.0) -> Claims:
        return Claims(self.redis, provider, self.settings, owner=owner, cap=cap)

    def sweeps(self, owner: str = "custodian") -> Sweeps:
        return Sweeps(self.redis, self.settings, owner=owner)

    async def admit(self, *requests: StoredRequest) -> None:
        for request in requests:
            await self.ledger.admit(request)

    async def key(self, owner: str, **limits: float | str) -> None:
        """An API key as `umpire keys create` leaves it, with these of its limits set."""
        fields = {**dict.fromkeys(FIELDS, ""), "name": f"{owner}'s key", **limits}
        await self.redis.hset(api_key(owner), mapping=fields)
        await self.redis.sadd(API_KEYS, owner)

    async def record(self, queue_id: UUID | str) -> dict[str, bytes]:
        """With its body as `b`, while that is there."""
        fields: dict[bytes, bytes] = await self.redis.hgetall(f"umpire:req:{queue_id}")
        body: bytes | None = await self.redis.get(f"umpire:body:{queue_id}")
        return {name.decode(): value for name, value in fields.items()} | ({"b": body} if body is not None else {})

    async def entries(self) -> list[Any]:
        rows: list[Any] = await self.redis.xrange("umpire:outbox")
        return rows

    async def confirm(self, *entry_ids: bytes) -> None:
        """As after Kafka's reports."""
        sizes = {entry_id: len(fields[b"e"]) for entry_id, fields in await self.entries()}
        await self.outbox.confirm([Delivered(entry_id, sizes.get(entry_id, 1)) for entry_id in entry_ids])

    async def messages(self, name: str = "umpire.mock") -> list[bytes]:
        """Of one list, the next to be consumed first."""
        rows: list[bytes] = await self.redis.lrange(name, 0, -1)
        return rows[::-1]

    async def lapse_now(self, *requests: StoredRequest) -> None:
        """As if their leases had ended a moment ago."""
        for request in requests:
            await self.redis.zadd("umpire:leases", {str(request.queue_id): 1}, xx=True)
