"""What becomes of an event that was handed to the producer."""

from dataclasses import dataclass

from confluent_kafka import KafkaError

#: Sending the very same event again would be refused again.
_UNRETRIABLE = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError._INVALID_ARG,  # noqa: SLF001 - librdkafka's local codes are named so
    }
)


@dataclass(frozen=True, slots=True)
class DeliveryError:
    """Why an event did not arrive. `code` is Kafka's own name for it, from a bounded set."""

    code: str
    retriable: bool


#: The local queue is full: the broker is away or slow.
QUEUE_FULL = DeliveryError("_QUEUE_FULL", retriable=True)
CLOSED = DeliveryError("_CLOSED", retriable=True)


def delivery_error(error: KafkaError) -> DeliveryError:
    return DeliveryError(error.name(), error.code() not in _UNRETRIABLE)
