"""Which callback topics a caller may name: legal for Kafka, not internal to it, and on the operator's list."""

import re
from collections.abc import Iterable

from contracts.errors import InvalidCallbackTopic
from contracts.topics import LEGAL_TOPIC


class TopicPolicy:
    """Patterns know `*` (any characters) and `?` (one)."""

    def __init__(self, patterns: Iterable[str]) -> None:
        alternatives = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
        self._allowed = re.compile("|".join(f"(?:{one})" for one in alternatives) or r"(?!)")

    def check(self, topic: str) -> None:
        """Raises InvalidCallbackTopic. Its message does not repeat the topic."""
        if not LEGAL_TOPIC.match(topic):
            raise InvalidCallbackTopic(
                "callback_topic is no Kafka topic name: 1 to 249 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
            )
        if topic.startswith("__") or not self._allowed.fullmatch(topic):
            raise InvalidCallbackTopic("callback_topic is not among the topics that this service may publish to")
