"""The assessment: its database, the services that it uses, and the defaults of an assessment."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from contracts.enums import LLMBatchingMode, LLMProviderType
from contracts.settings.base import BaseUrl, Concern, HeaderSecret
from contracts.topics import LEGAL_TOPIC

#: Most processes need the names of these settings only.
_LATER = SettingsConfigDict(defer_build=True)

_SQLITE = ("sqlite:///", "sqlite+aiosqlite:///")
_POSTGRESQL = frozenset({"postgresql", "postgresql+psycopg"})


def _database_url(value: SecretStr) -> SecretStr:
    """The message never has the value, which may hold a password."""
    text = value.get_secret_value().strip()
    try:
        url = urlsplit(text)
        server = url.scheme in _POSTGRESQL and bool(url.path.strip("/")) and url.port != 0
    except ValueError:
        server = False
    file = next((text.removeprefix(start) for start in _SQLITE if text.startswith(start)), "")
    if not server and (not file or "?" in file or file == ":memory:"):
        raise ValueError(
            "must be sqlite:///path (sqlite:////path from the root), or "
            "postgresql+psycopg://[user:password@]host[:port]/database, with a password's special characters "
            "percent-encoded"
        )
    return SecretStr(text)


def _topic(value: str) -> str:
    if not LEGAL_TOPIC.match(value) or value.startswith("__"):
        raise ValueError("must be a legal name of a Kafka topic, and not begin with `__`")
    return value


class DatabaseSettings(Concern):
    model_config = _LATER

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = SecretStr(
        "sqlite:///umpire-data/assessment.sqlite3"
    )
    """Database of the assessment: `sqlite:///path` for one process, or `postgresql+psycopg://user:password@host/database`
    for any number."""
    content_url: BaseUrl | None = None
    """Where the texts of essays are read: a service with `GET /v1/content/<id>` and `POST /v1/content`. Not set: the
    assessment's own content store."""
    comparison_url: BaseUrl = "http://127.0.0.1:8080"
    """URL of the API that the assessment submits comparisons to."""
    comparison_api_key: HeaderSecret | None = None
    """API key that the assessment sends to that API."""

    @property
    def sqlalchemy_url(self) -> str:
        """The URL with the name of the driver."""
        text = self.database_url.get_secret_value()
        for start in _SQLITE:
            if text.startswith(start):
                return "sqlite+aiosqlite:///" + text.removeprefix(start)
        return "postgresql+psycopg://" + text.partition("://")[2]


class AssessmentSettings(Concern):
    model_config = SettingsConfigDict(env_prefix="UMPIRE_CJ_", **_LATER)

    batch_size: int = Field(50, ge=10, le=200)
    """Comparisons in one submission."""
    max_concurrent_batches: int = Field(3, ge=1, le=5)
    """Submissions of an assessment whose comparisons are not judged yet."""
    partial_completion_threshold: float = Field(0.85, ge=0.5, le=1)
    """Share of a round's comparisons that is enough to score it when the others do not come."""
    max_comparisons_per_essay: int = Field(24, ge=1, le=1_000)
    """Most comparisons of one essay."""
    max_pairwise_comparisons: int | None = Field(None, ge=1)
    """Most comparisons of one assessment. Not set: only UMPIRE_CJ_MAX_COMPARISONS_PER_ESSAY bounds them."""
    target_reliability: float = Field(0.90, gt=0, lt=1)
    """Reliability of the ranking at which no more pairs are compared."""
    min_comparisons_per_essay: int = Field(8, ge=1, le=1_000)
    """Comparisons that each essay has before the reliability can end an assessment."""
    failed_pool_threshold: int = Field(20, ge=1, le=1_000)
    """Failed comparisons that are submitted again together; fewer are when nothing else of their round is open."""
    max_attempts: int = Field(3, ge=1, le=10)
    """Attempts of one comparison, the first included."""
    straggler_seconds: float = Field(120.0, ge=0)
    """How long nothing has come before a round is scored without its missing comparisons, in seconds."""
    stuck_seconds: float = Field(14_400.0, ge=1)
    """How long an assessment may make no progress before the monitor ends it with what it has, in seconds."""
    monitor_seconds: float = Field(300.0, gt=0)
    """Time between two runs of the monitor, in seconds."""
    default_provider: LLMProviderType | None = None
    """Provider of comparisons if the request names none. Not set: the API's default."""
    default_model: str | None = None
    """Model of comparisons if the request names none. Not set: the provider's default."""
    default_temperature: float | None = Field(None, ge=0, le=2)
    """Temperature of comparisons if the request names none. Not set: the model's own."""
    batching_mode: LLMBatchingMode = LLMBatchingMode.PER_REQUEST
    """How the API batches the calls of comparisons if the request does not say it."""
    batching_hints: bool = False
    """Put the batching mode and the preferred bundle size into the metadata of each comparison."""
    seed: int | None = None
    """Seed of the random choices of an assessment. Not set: each assessment has its own."""
    text_retention_days: float | None = Field(None, ge=0)
    """Days after the end of an assessment until its texts are erased. Not set: never."""
    callback_topic: Annotated[str, AfterValidator(_topic)] = "huleedu.cj_assessment.callback.v1"
    """Topic that the verdicts of the assessment's comparisons arrive on."""
    iterative: bool = True
    """`false`: all pairs are planned at once, before the first verdict."""
    max_cost_usd: float | None = Field(None, gt=0)
    """Most that one assessment may cost, in USD. Not set: no limit."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_comparisons_per_essay > self.max_comparisons_per_essay:
            raise ValueError("UMPIRE_CJ_MIN_COMPARISONS_PER_ESSAY must be at most UMPIRE_CJ_MAX_COMPARISONS_PER_ESSAY")
        return self
