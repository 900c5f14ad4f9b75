"""Whether a claimed request may still run, by the present state of the API key that submitted it."""

from functools import lru_cache

from contracts.errors import InvalidCallbackTopic, UmpireError
from contracts.topics import TopicPatterns
from ledger.claims import Claimed
from ledger.refusal import cost_limit_reached


class KeyPolicy:
    def __init__(self, own_topic: str) -> None:
        """`own_topic`: topic of the service's own comparisons, which is allowed whatever topics their key may name."""
        self._own_topic = own_topic

    def publishes(self, claimed: Claimed) -> bool:
        topic = claimed.stored.request.callback_topic
        return not claimed.topics or topic == self._own_topic or _patterns(claimed.topics).allow(topic)

    def refusal(self, claimed: Claimed) -> UmpireError | None:
        """Why no call may be made for the request; None: one may be made."""
        if not self.publishes(claimed):
            return InvalidCallbackTopic("callback_topic is not among the topics that its API key may name")
        return None if claimed.may_spend else cost_limit_reached()


@lru_cache(maxsize=256)
def _patterns(topics: str) -> TopicPatterns:
    return TopicPatterns(topics.split(","))
