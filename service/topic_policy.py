"""Which callback topics a caller may name: legal for Kafka, none of Kafka's internal topics or of the service's own
events, and on the operator's allow-list.
"""

from collections.abc import Iterable

from contracts.errors import InvalidCallbackTopic
from contracts.topics import LEGAL_TOPIC, TopicPatterns, own_topics


class TopicPolicy:
    def __init__(self, patterns: Iterable[str], prefix: str) -> None:
        """`patterns`: the operator's allow-list. `prefix`: of the names of the service's own topics."""
        self._patterns = TopicPatterns(patterns, never=own_topics(prefix))

    def check(self, topic: str) -> None:
        """Raises InvalidCallbackTopic. Its message does not repeat the topic."""
        if not LEGAL_TOPIC.match(topic):
            raise InvalidCallbackTopic(
                "callback_topic is no Kafka topic name: 1 to 249 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
            )
        if not self._patterns.allow(topic):
            raise InvalidCallbackTopic("callback_topic is not among the topics that this service may publish to")
