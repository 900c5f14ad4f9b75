"""Names on the broker and on Kafka."""

from uuid import UUID, uuid4

import pytest

from contracts import queues, topics
from contracts.enums import LLMProviderType
from contracts.topics import LEGAL_TOPIC, TopicPatterns, result_event_id


def test_every_priority_has_one_list_and_more_urgent_is_never_behind():
    order = queues.list_names("q")
    assert order == ["q", "q:3", "q:6", "q:9"]
    places = [
        order.index(queues.list_name("q", queues.priority_step(queues.broker_priority(priority))))
        for priority in range(11)
    ]
    assert places == sorted(places, reverse=True)
    assert (places[0], places[10]) == (3, 0)
    assert [queues.broker_priority(priority) for priority in range(11)] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]


@pytest.mark.parametrize("provider", LLMProviderType)
def test_no_queue_name_holds_the_separator(provider):
    assert queues.PRIORITY_SEPARATOR not in queues.queue_name(provider)


@pytest.mark.parametrize("name", ["a", "huleedu.llm_provider.comparison_result.v1", "A-b_c.9", "...", "x" * 249])
def test_legal_topics(name):
    assert LEGAL_TOPIC.match(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "å", "a\n", "x" * 250, "a\x00", "a:b"])
def test_illegal_topics(name):
    assert not LEGAL_TOPIC.match(name)


@pytest.mark.parametrize(
    ("patterns", "topic", "allowed"),
    [
        (["*"], "anything.at-all", True),
        (["*"], "__consumer_offsets", False),
        (["__*"], "__consumer_offsets", False),
        (["*"], "no topic", False),
        (["a.*", "b?"], "a.b.c", True),
        (["a.*", "b?"], "b1", True),
        (["a.*", "b?"], "b12", False),
        (["a.*"], "axb", False),
        ([], "a", False),
    ],
)
def test_a_topic_is_allowed_by_a_pattern_and_kafkas_own_by_none(patterns, topic, allowed):
    assert TopicPatterns(patterns).allow(topic) is allowed


def test_no_pattern_allows_the_topics_of_the_services_own_events():
    own = topics.own_topics("x.")
    assert {f"x.{topics.COST_TRACKING}", f"x.{topics.CALLBACK_DEAD_LETTER}"} < own
    patterns = TopicPatterns(["*"], never=own)
    assert not any(patterns.allow(topic) for topic in own)
    # Kafka takes dots and underscores for one another where it looks for collisions.
    assert not patterns.allow(f"x.{topics.COST_TRACKING}".replace(".", "_"))
    assert not patterns.allow("x.els.cj_assessment.requested.v1")
    assert patterns.allow(f"x.{topics.COMPARISON_RESULT}")
    assert patterns.allow(topics.COST_TRACKING)


def test_the_names_are_the_contracts():
    assert topics.COMPARISON_RESULT == "llm_provider.comparison_result.v1"
    assert topics.QUEUE_STATUS == "llm_provider.queue_status.v1"
    assert topics.REQUEST_STARTED == "llm_provider.request_started.v1"
    assert topics.REQUEST_COMPLETED == "llm_provider.request_completed.v1"
    assert topics.FAILURE == "llm_provider.failure.v1"
    assert topics.PROVIDER_STATUS == "llm_provider.provider_status.v1"
    assert topics.COST_ALERT == "llm_provider.cost_alert.v1"
    assert topics.COST_TRACKING == "llm_provider.cost_tracking.v1"
    assert topics.CALLBACK_DEAD_LETTER == "llm_provider.callback_dead_letter.v1"


def test_a_results_event_id_is_the_same_each_time_and_another_for_each_request():
    queue_id = uuid4()
    assert result_event_id(queue_id) == result_event_id(str(queue_id)) != result_event_id(uuid4())
    assert result_event_id(queue_id).version == 5
    # Pinned: consumers have seen it.
    assert result_event_id(UUID(int=0)) == UUID("05d02e87-cd11-564a-b50b-b9bf81b5a44c")
