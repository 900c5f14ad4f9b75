"""Creates a topic when brokers do not create topics automatically."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from contracts.settings import KafkaSettings
from events.config import client_config

#: Seconds that the brokers have for each answer.
ANSWER_SECONDS = 5.0

#: Number of partitions and replicas: the brokers' defaults.
_AS_CONFIGURED = -1


def ensure_topic(settings: KafkaSettings, topic: str) -> bool:
    """Create the topic; False if it existed. Blocks. Raises KafkaException if the brokers do not answer, or refuse."""
    # No log on stderr: the exception says as much.
    admin = AdminClient(client_config(settings) | {"log_level": 0})
    if topic in admin.list_topics(timeout=ANSWER_SECONDS).topics:
        return False
    # Brokers with automatic creation create a topic when its metadata is requested. The embedded one has no other way.
    if admin.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].error is None:
        return True
    wanted = NewTopic(topic, _AS_CONFIGURED, _AS_CONFIGURED)
    try:
        admin.create_topics([wanted], request_timeout=ANSWER_SECONDS)[topic].result(ANSWER_SECONDS * 2)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None  # noqa: SLF001 - librdkafka's local codes
    except KafkaException as refused:
        # Created automatically after the metadata request.
        if refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    return True
