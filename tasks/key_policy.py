"""Whether a claimed request may still run, by the present state of the API key that submitted it."""

from functools import lru_cache
from typing import NamedTuple

from contracts.errors import InvalidCallbackTopic, UmpireError
from contracts.topics import TopicPatterns
from ledger.claims import Claimed
from ledger.refusal import cost_limit_reached


class KeyCheck(NamedTuple):
    publishes: bool
    """The key may still name the request's callback topic."""
    refusal: UmpireError | None
    """Why no call may be made for the request; None: one may be made."""


def check_key(claimed: Claimed, own_topic: str) -> KeyCheck:
    """`own_topic`: topic of the service's own comparisons, which is allowed whatever topics their key may name."""
    topic = claimed.stored.request.callback_topic
    if claimed.topics and topic != own_topic and not _patterns(claimed.topics).allow(topic):
        refusal = InvalidCallbackTopic("callback_topic is not among the topics that its API key may name")
        return KeyCheck(publishes=False, refusal=refusal)
    return KeyCheck(publishes=True, refusal=None if claimed.may_spend else cost_limit_reached())


@lru_cache(maxsize=256)
def _patterns(topics: str) -> TopicPatterns:
    return TopicPatterns(topics.split(","))
