"""Delivery errors: why an event did not reach Kafka, and whether sending it again can help."""

from dataclasses import dataclass

from confluent_kafka import KafkaError

#: The brokers refuse an event of this size, or a batch of the size that it was sent in.
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

#: The brokers do not know the topic and did not create it on request. It may still be created.
_UNKNOWN_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's local codes are named so
    }
)

#: The same event would be refused again.
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
    """Why an event was not delivered. `code` is Kafka's name of the error, from a bounded set."""

    code: str
    retriable: bool
    too_large: bool = False
    unknown_topic: bool = False

    @property
    def answered(self) -> bool:
        """The brokers answered, or did not need to: another process would not reach Kafka any better."""
        return not self.retriable or self.unknown_topic


#: The local queue is full: the broker is unavailable or slow.
QUEUE_FULL = DeliveryError("_QUEUE_FULL", retriable=True)
CLOSED = DeliveryError("_CLOSED", retriable=True)
#: Refused by us: the topic is not, or no longer, among those that may be published to.
FORBIDDEN = DeliveryError("TOPIC_FORBIDDEN", retriable=False)


def delivery_error(error: KafkaError) -> DeliveryError:
    code = error.code()
    return DeliveryError(
        error.name(),
        retriable=code not in _UNRETRIABLE,
        too_large=code in _TOO_LARGE,
        unknown_topic=code in _UNKNOWN_TOPIC,
    )
