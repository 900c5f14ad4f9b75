"""The producers' librdkafka configuration, with the reason for each setting."""

from typing import Any

from contracts.settings import KafkaSettings

#: Events that the local queue holds: about fifty seconds of the fastest worker. When it is full, results stay in the
#: outbox; when it is half full, lifecycle events are dropped.
QUEUE_EVENTS = 50_000
#: Size of the local queue in KiB, so that an unavailable broker cannot fill a worker's memory.
QUEUE_KIB = 65_536

#: Milliseconds for which results are collected into a batch. Under load, results of up to 20 ms reach the producer
#: together anyway.
LINGER_MS = 0

#: How long librdkafka waits for an unknown topic to appear, in ms: enough for brokers that create it when asked.
#: Shorter than the delivery timeout; otherwise results would time out and the report would not name the cause.
NEW_TOPIC_MS = 10_000


def producer_config(settings: KafkaSettings) -> dict[str, Any]:
    timeout_ms = int(settings.kafka_delivery_timeout_seconds * 1000)
    return client_config(settings) | {
        # The producer's own retries neither duplicate nor reorder events; this needs acks of all in-sync replicas.
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": LINGER_MS,
        # The only limit on an event's time in the producer; afterwards the outbox sends the result again.
        "delivery.timeout.ms": timeout_ms,
        "topic.metadata.propagation.max.ms": min(NEW_TOPIC_MS, timeout_ms // 2),
        "queue.buffering.max.messages": QUEUE_EVENTS,
        "queue.buffering.max.kbytes": QUEUE_KIB,
    }


def alone_config(settings: KafkaSettings) -> dict[str, Any]:
    """For results refused as too large: brokers refuse a whole batch and do not say which event was too large."""
    return producer_config(settings) | {"batch.num.messages": 1, "linger.ms": 0}


#: Milliseconds for which best-effort events are collected into a batch. They are not urgent, and a batch of one costs
#: the broker as much as one of a hundred: compared with 2 ms, an event costs a third of the CPU in the producer and a
#: sixth in the broker.
BEST_EFFORT_LINGER_MS = 100

#: Delivery timeout of a best-effort event, in ms; then it is dropped and counted.
BEST_EFFORT_TIMEOUT_MS = 10_000


def best_effort_config(settings: KafkaSettings) -> dict[str, Any]:
    """For events that may be lost: they must not delay results, in the local queue or at the broker."""
    return producer_config(settings) | {
        "enable.idempotence": False,
        "acks": 1,
        "linger.ms": BEST_EFFORT_LINGER_MS,
        "delivery.timeout.ms": BEST_EFFORT_TIMEOUT_MS,
    }


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """The settings with which any client, consumers included, reaches the brokers."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "client.id": "umpire",
        # Reconnect slowly while a broker is unavailable, but find it again within seconds.
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
