"""Topic names: a prefix (setting) and the conventional name of each event."""

import re
from collections.abc import Collection, Iterable
from uuid import UUID, uuid5

COMPARISON_RESULT = "llm_provider.comparison_result.v1"
QUEUE_STATUS = "llm_provider.queue_status.v1"
REQUEST_STARTED = "llm_provider.request_started.v1"
REQUEST_COMPLETED = "llm_provider.request_completed.v1"
FAILURE = "llm_provider.failure.v1"
PROVIDER_STATUS = "llm_provider.provider_status.v1"
QUEUE_FULL = "llm_provider.queue_full.v1"
COST_ALERT = "llm_provider.cost_alert.v1"
COST_TRACKING = "llm_provider.cost_tracking.v1"
CALLBACK_DEAD_LETTER = "llm_provider.callback_dead_letter.v1"

#: Topics of the assessment.
ASSESSMENT_REQUESTED = "els.cj_assessment.requested.v1"
ASSESSMENT_COMPLETED = "cj_assessment.completed.v1"
ASSESSMENT_FAILED = "cj_assessment.failed.v1"
ASSESSMENT_RESULT = "assessment.result.published.v1"
ASSESSMENT_PROGRESS = "cj_assessment.progress.v1"
RESOURCE_CONSUMPTION = "resource.consumption.v1"

#: Topics of the service's own events, and of the assessment. Their consumers expect no other events there.
_OWN = (
    QUEUE_STATUS, REQUEST_STARTED, REQUEST_COMPLETED, FAILURE, PROVIDER_STATUS, QUEUE_FULL, COST_ALERT, COST_TRACKING,
    CALLBACK_DEAD_LETTER, "llm_provider.usage_analytics.v1", ASSESSMENT_REQUESTED, ASSESSMENT_COMPLETED,
    ASSESSMENT_FAILED, ASSESSMENT_RESULT, ASSESSMENT_PROGRESS, RESOURCE_CONSUMPTION,
)  # fmt: skip

#: Kafka's own rule for a topic name: at most 249 of these characters, and neither "." nor "..".
LEGAL_TOPIC = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}\Z")

#: Namespace of result event ids. If it changed, consumers would take a redelivery for a new event.
_RESULT_NAMESPACE = UUID("6f1a1d3e-0b7c-5c39-9a51-2f4b8c7d9e10")

#: Namespace of the assessment's event ids, for the same reason.
_ASSESSMENT_NAMESPACE = UUID("b6a4c1f0-5f0e-5d6b-8f3c-2f1f0f4b9a77")


def result_event_id(queue_id: UUID | str) -> UUID:
    """The `event_id` of a request's result: uuid5 of the queue id, the same at every redelivery."""
    return uuid5(_RESULT_NAMESPACE, str(queue_id))


def assessment_event_id(subject: UUID | str, kind: str, version: int) -> UUID:
    """The `event_id` of an assessment's event, the same at every redelivery.

    `subject`: the assessment, or the request's event_id if no assessment was created. `kind`: the topic name without
    its prefix. `version`: of the result; an extended assessment publishes version 2.
    """
    return uuid5(_ASSESSMENT_NAMESPACE, f"{subject}/{kind}/{version}")


def own_topics(prefix: str) -> frozenset[str]:
    """Topics of the service's own events, results aside: a callback topic must not be one of them."""
    return frozenset(prefix + name for name in _OWN)


def _folded(topic: str) -> str:
    return topic.replace(".", "_")


class TopicPatterns:
    """Topics that may be published to: legal for Kafka, not internal to it, not in `never`, and matched by one of the
    patterns, in which `*` stands for any characters and `?` for one.
    """

    def __init__(self, patterns: Iterable[str], *, never: Collection[str] = ()) -> None:
        # Kafka does not allow two topics whose names differ only in "." and "_".
        self._never = frozenset(map(_folded, never))
        alternatives = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
        self._allowed = re.compile("|".join(f"(?:{one})" for one in alternatives) or r"(?!)")

    def allow(self, topic: str) -> bool:
        # Names of Kafka's internal topics begin with "__".
        legal = LEGAL_TOPIC.match(topic) and not topic.startswith("__") and _folded(topic) not in self._never
        return bool(legal and self._allowed.fullmatch(topic))
