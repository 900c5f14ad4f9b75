"""`umpire topics`: the topic that the service itself needs, where the brokers make none by themselves."""

from contracts.settings import Settings
from contracts.topics import CALLBACK_DEAD_LETTER


def make(settings: Settings) -> str:
    """A line that says what was done. Raises KafkaException."""
    from events.topics import ensure_topic

    topic = settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
    return f"{topic} {'is made' if ensure_topic(settings.kafka, topic) else 'is there'}"


def make_or_explain(settings: Settings) -> tuple[bool, str]:
    """As `make`; False and the reason where Kafka refused."""
    from confluent_kafka import KafkaException

    try:
        return True, make(settings)
    except KafkaException as refused:
        topic = settings.kafka.topic_prefix + CALLBACK_DEAD_LETTER
        return False, f"{topic} could not be made: Kafka says {refused.args[0].name()}"
