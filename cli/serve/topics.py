"""`umpire topics`: makes the topic that the service needs, for brokers that do not create topics automatically."""

from contracts.settings import Settings
from contracts.topics import CALLBACK_DEAD_LETTER


def make(settings: Settings) -> str:
    """Make the topic if it is missing. Returns a line that says what was done. Raises KafkaException."""
    from events.topics import ensure_topic

    topic = settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
    return f"{topic} {'is made' if ensure_topic(settings.kafka, topic) else 'is there'}"


def make_or_explain(settings: Settings) -> tuple[bool, str]:
    """Like `make`, but returns (True, line), or (False, reason) when Kafka refused."""
    from confluent_kafka import KafkaException

    try:
        return True, make(settings)
    except KafkaException as refused:
        topic = settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
        return False, f"{topic} could not be made: Kafka says {refused.args[0].name()}"
