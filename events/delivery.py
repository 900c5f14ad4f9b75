"""What becomes of an event that was handed to the producer."""

from dataclasses import dataclass

from confluent_kafka import KafkaError

#: No broker takes an event of this size; or of the size of the batch that it went with.
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

#: The brokers do not know the topic, and did not make it when they were asked. Somebody may yet.
_UNKNOWN_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's local codes are named so
    }
)

#: Sending the very same event again would be refused again.
_UNRETRIABLE = frozenset(
    {
        *_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError._INVALID_ARG,  # noqa: SLF001 - as above
    }
)


@dataclass(frozen=True, slots=True)
class DeliveryError:
    """Why an event did not arrive. `code` is Kafka's own name for it, from a bounded set."""

    code: str
    retriable: bool
    too_large: bool = False
    unknown_topic: bool = False

    @property
    def answered(self) -> bool:
        """The brokers answered, or nobody needed to ask them: this process reaches Kafka as well as any other."""
        return not self.retriable or self.unknown_topic


#: The local queue is full: the broker is away or slow.
QUEUE_FULL = DeliveryError("_QUEUE_FULL", retriable=True)
CLOSED = DeliveryError("_CLOSED", retriable=True)
#: By our own rule: the topic is not, or no longer, among those that may be published to.
FORBIDDEN = DeliveryError("TOPIC_FORBIDDEN", retriable=False)


def delivery_error(error: KafkaError) -> DeliveryError:
    code = error.code()
    return DeliveryError(
        error.name(),
        retriable=code not in _UNRETRIABLE,
        too_large=code in _TOO_LARGE,
        unknown_topic=code in _UNKNOWN_TOPIC,
    )
