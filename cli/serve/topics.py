"""`umpire topics`: makes the topic that the service needs, for brokers that do not create topics automatically."""

from contracts.settings import Settings
from contracts.topics import CALLBACK_DEAD_LETTER


def make_topics(settings: Settings) -> tuple[bool, str]:
    """Make the dead-letter topic if it is missing. Returns (True, what was done), or (False, why Kafka refused)."""
    from confluent_kafka import KafkaException

    from events.topics import ensure_topic

    topic = settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
    try:
        return True, f"{topic} {'is made' if ensure_topic(settings.kafka, topic) else 'is there'}"
    except KafkaException as refused:
        return False, f"{topic} could not be made: Kafka says {refused.args[0].name()}"
