"""The producer's librdkafka configuration; each setting has its reason."""

from typing import Any

from contracts.settings import KafkaSettings

#: Events that may wait in the local queue: some fifty seconds of the fastest worker. What finds it full stays in the
#: outbox; lifecycle events are dropped from half of it on.
QUEUE_EVENTS = 50_000
#: And their size in KiB, so that an absent broker cannot fill a worker's memory.
QUEUE_KIB = 65_536


#: How long a topic that the brokers do not know may take to appear, in ms: enough for one that they make when asked.
#: Shorter than the delivery timeout, or its results would only time out, and nobody would be told why.
NEW_TOPIC_MS = 10_000


def producer_config(settings: KafkaSettings) -> dict[str, Any]:
    timeout_ms = int(settings.kafka_delivery_timeout_seconds * 1000)
    return client_config(settings) | {
        # No duplicate and no reordering by the producer's own retries; both need acks of all in-sync replicas.
        "enable.idempotence": True,
        "acks": "all",
        # Must not exceed the delivery timeout, or librdkafka refuses the configuration.
        "linger.ms": min(settings.kafka_linger_ms, timeout_ms),
        # The one bound on an event's life here: afterwards it is the outbox's again.
        "delivery.timeout.ms": timeout_ms,
        "topic.metadata.propagation.max.ms": min(NEW_TOPIC_MS, timeout_ms // 2),
        "queue.buffering.max.messages": QUEUE_EVENTS,
        "queue.buffering.max.kbytes": QUEUE_KIB,
    }


def alone_config(settings: KafkaSettings) -> dict[str, Any]:
    """For results that were refused as too large: brokers refuse a whole batch, and do not say whose fault it was."""
    return producer_config(settings) | {"batch.num.messages": 1, "linger.ms": 0}


#: Milliseconds that best-effort events wait for company. Nobody waits for them, and a batch of one costs the broker as
#: much as a batch of a hundred: against 2 ms, a third of the producer's CPU for an event and a sixth of the broker's.
BEST_EFFORT_LINGER_MS = 100

#: How long a best-effort event may take, in ms; then it is dropped, and counted.
BEST_EFFORT_TIMEOUT_MS = 10_000


def best_effort_config(settings: KafkaSettings) -> dict[str, Any]:
    """For events that may be lost: they must not stand in the way of results, in the queue or at the broker."""
    return producer_config(settings) | {
        "enable.idempotence": False,
        "acks": 1,
        "linger.ms": BEST_EFFORT_LINGER_MS,
        "delivery.timeout.ms": BEST_EFFORT_TIMEOUT_MS,
    }


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """What any client needs to reach the brokers, consumers included."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": "umpire",
        # An absent broker is asked for gently, and found again within seconds.
        "reconnect.backoff.ms": 200,
        "reconnect.backoff.max.ms": 5_000,
        "socket.keepalive.enable": True,
        # Warnings and worse; they go to the observer.
        "log_level": 4,
        "log.connection.close": False,
        "security.protocol": settings.kafka_security_protocol,
    }
    optional = {
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": settings.kafka_sasl_password and settings.kafka_sasl_password.get_secret_value(),
        "ssl.ca.location": settings.kafka_ssl_ca_location,
    }
    return config | {name: value for name, value in optional.items() if value is not None}
