"""Kafka, Flower and telemetry."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from contracts.settings.base import Concern, split

LifecycleKind = Literal[
    "none",
    "queue_status",
    "request_started",
    "request_completed",
    "failure",
    "provider_status",
    "queue_full",
    "cost_tracking",
    "cost_alert",
]
CommaKinds = Annotated[list[LifecycleKind], NoDecode, BeforeValidator(split)]


class KafkaSettings(Concern):
    kafka_bootstrap: str = "127.0.0.1:9092"
    """Kafka bootstrap servers, host:port, comma-separated. `umpire up` starts an embedded broker when this is not
    set."""
    topic_prefix: str = Field("huleedu.", pattern=r"^[A-Za-z0-9._-]*$")
    """Prefix of the service's own topic names."""
    lifecycle_events: CommaKinds = [*get_args(LifecycleKind)][1:]
    """Which of the best-effort events are sent; `none`: no event but the results."""
    kafka_linger_ms: float = Field(0.0, ge=0, le=1000)
    """How long the producer gathers results into one request, in milliseconds. A busy process gathers those of 20 ms by
    itself; more costs each result that time, and saves the brokers some work."""
    kafka_delivery_timeout_seconds: float = Field(30.0, gt=0)
    """After this the producer gives an event up and leaves it to the outbox, in seconds."""
    kafka_unknown_topic_seconds: float = Field(60.0, ge=0)
    """How long a result is tried again whose topic the brokers do not know, and do not make by themselves, in seconds;
    then it goes to the dead letters."""
    dead_letters_max: int = Field(10_000, ge=0)
    """Results refused for good by Kafka that are kept for `umpire outbox`. What finds it full stays in the outbox, is
    tried again, and is told in the log: nothing is dropped."""
    kafka_security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How to speak with the brokers."""
    kafka_sasl_mechanism: str | None = None
    """SASL mechanism, e.g. SCRAM-SHA-512."""
    kafka_sasl_username: str | None = None
    """SASL user name."""
    kafka_sasl_password: SecretStr | None = None
    """SASL password."""
    kafka_ssl_ca_location: str | None = None
    """File with the certificates of the authorities that signed the brokers' certificates."""


class FlowerSettings(Concern):
    flower_port: int = Field(5555, ge=0, le=65535)
    """Port of Flower."""
    flower_host: str = "127.0.0.1"
    """Address that Flower binds."""
    flower_url_prefix: str = Field("", pattern=r"^(/?[A-Za-z0-9._~-]+)*/?$")
    """Path below which a proxy shows Flower, e.g. `flower` for https://example.org/flower/. The proxy must pass on the
    path as it came."""
    flower_basic_auth: SecretStr | None = None
    """`user:password` for Flower. `umpire up` makes a random one when this is not set; `umpire flower` refuses to
    start without it."""


class TelemetrySettings(Concern):
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log line that is written."""
    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or lines for a person."""
    metrics_host: str = "127.0.0.1"
    """Address of the metrics port."""
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """Metrics port of `umpire worker`, of `umpire flower`, and of `umpire api` and `umpire up` besides the API's own
    /metrics (0: any free one): /metrics, /healthz and /readyz of all its processes. Each worker of several has a port
    of its own behind it, from this number plus 1 on, and Flower in `umpire up` the next one. Not set: none, but for
    Flower in `umpire up`, which takes any free one."""
    metrics_directory: Path | None = None
    """Directory in which the processes of a host keep their figures: each /metrics tells all that are in it, with the
    label `process`, and a process that is started again goes on with the figures of the one before. Not set: `umpire
    up`, `umpire api` and `umpire worker` each have one of their own."""
