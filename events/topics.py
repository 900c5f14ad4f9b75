"""Making a topic where brokers make none by themselves."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts.settings import KafkaSettings
from events.config import client_config

#: What the brokers are given for each answer, in seconds.
ANSWER_SECONDS = 5.0

#: Partitions and replicas: as many as the brokers give a topic that they make themselves.
_AS_CONFIGURED = -1


def ensure_topic(settings: KafkaSettings, topic: str) -> bool:
    """Whether the topic was made now. Blocks. Raises KafkaException where the brokers do not answer, or refuse."""
    # Silent: what is raised says as much as its lines on stderr would.
    admin = AdminClient(client_config(settings) | {"log_level": 0})
    if topic in admin.list_topics(timeout=ANSWER_SECONDS).topics:
        return False
    # Brokers that make topics by themselves make what is asked for by name. The embedded one has no other way.
    if admin.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].error is None:
        return True
    wanted = NewTopic(topic, _AS_CONFIGURED, _AS_CONFIGURED)
    try:
        admin.create_topics([wanted], request_timeout=ANSWER_SECONDS)[topic].result(ANSWER_SECONDS * 2)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None  # noqa: SLF001 - librdkafka's local codes
    except KafkaException as refused:
        # By the brokers themselves, since it was asked for.
        if refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    return True
