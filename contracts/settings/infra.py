"""Kafka, Flower, telemetry, and what is allowed in development only."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from contracts.settings.base import Concern, internal, split

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
    """Kafka bootstrap servers, `host:port`, separated by commas. If not set, `umpire up` starts an embedded broker."""
    topic_prefix: str = Field("huleedu.", pattern=r"^[A-Za-z0-9._-]*$")
    """Prefix of the names of umpire's own topics. Callback topics are named by the callers."""
    lifecycle_events: CommaKinds = [*get_args(LifecycleKind)][1:]
    """Which lifecycle events are sent (best effort); `none`: result events only."""
    kafka_delivery_timeout_seconds: float = Field(30.0, gt=0)
    """How long the producer tries to deliver one event, in seconds. After that a result is sent again from the
    outbox, and a lifecycle event is dropped. It has to be less than 35, the age at which the outbox sends a result
    again."""
    kafka_unknown_topic_seconds: float = internal(60.0, "KAFKA_UNKNOWN_TOPIC_SECONDS", ge=0)
    """How long a result for a topic that does not exist is tried again, in seconds; then it becomes a dead letter."""
    dead_letters_max: int = Field(10_000, ge=0)
    """Most dead letters (results that Kafka refused for good) in Redis. Above it, a refused result stays in the
    outbox, is tried again and logged; no result is dropped."""
    kafka_security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """Protocol of the connections to the brokers."""
    kafka_sasl_mechanism: str | None = None
    """SASL mechanism, for example SCRAM-SHA-512."""
    kafka_sasl_username: str | None = None
    """SASL user name."""
    kafka_sasl_password: SecretStr | None = None
    """SASL password."""
    kafka_ssl_ca_location: str | None = None
    """File with the CA certificates (PEM) that the brokers' certificates are checked against."""


class FlowerSettings(Concern):
    flower_port: int = Field(5555, ge=0, le=65535)
    """Port of Flower. 0: any free port."""
    flower_host: str = "127.0.0.1"
    """Address that Flower binds."""
    flower_url_prefix: str = Field("", pattern=r"^(/?[A-Za-z0-9._~-]+)*/?$")
    """Path of Flower behind a proxy, for example `flower` for https://example.org/flower/. The proxy must not
    remove the prefix from the path."""
    flower_basic_auth: SecretStr | None = None
    """`user:password` for Flower. If not set, `umpire up` makes a random one, and `umpire flower` refuses to start."""


class TelemetrySettings(Concern):
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the log lines that are written."""
    log_format: Literal["json", "console"] = "json"
    """`json`: one JSON object a line. `console`: lines for a person to read."""
    metrics_host: str = "127.0.0.1"
    """Address of the metrics port."""
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """Port of /metrics, /healthz and /readyz for all processes of one command: `umpire worker`, `umpire flower`,
    and (in addition to the API's own /metrics) `umpire api` and `umpire up`. 0: any free port. With several worker
    processes, each has its own port as well, counted from this number plus 1; Flower in `umpire up` gets the next
    one. Not set: no metrics port, except that Flower in `umpire up` uses any free one."""
    metrics_directory: Path | None = None
    """Directory in which the processes of one host store their metric values. Each /metrics shows the values of all
    processes in it, with the label `process`, and a restarted process continues with the values of the one before.
    Not set: each `umpire up`, `umpire api` and `umpire worker` uses its own temporary directory."""


class DevelopmentSettings(Concern):
    environment: Literal["development", "production"] = "development"
    """What this installation is for. `production` refuses to start with UMPIRE_RECORD_RESPONSES. UMPIRE_AUTH=keys
    refuses it too, because an installation with API keys has real callers."""
    record_responses: bool = False
    """Write each request to a provider and its response into a file, prompts included and API keys removed, to
    check the provider's contract. For development only: refused if UMPIRE_ENVIRONMENT is `production` or
    UMPIRE_AUTH is `keys`. The newest 1,000 files of the last 7 days are kept."""
    record_directory: Path = Path("llm_response_logs")
    """Directory of the files of UMPIRE_RECORD_RESPONSES. Only the user of the process can read them."""
