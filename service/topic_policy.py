"""Which callback topics a caller may name: legal for Kafka, not internal to it, and on the operator's list."""

from collections.abc import Iterable

from contracts.errors import InvalidCallbackTopic
from contracts.topics import LEGAL_TOPIC, TopicPatterns


class TopicPolicy:
    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = TopicPatterns(patterns)

    def check(self, topic: str) -> None:
        """Raises InvalidCallbackTopic. Its message does not repeat the topic."""
        if not LEGAL_TOPIC.match(topic):
            raise InvalidCallbackTopic(
                "callback_topic is no Kafka topic name: 1 to 249 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
            )
        if not self._patterns.allow(topic):
            raise InvalidCallbackTopic("callback_topic is not among the topics that this service may publish to")
