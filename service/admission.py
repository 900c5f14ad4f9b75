"""Checks one request against the operator's limits and the manifest. Pure, without I/O."""

import math
from datetime import timedelta
from uuid import UUID

from access.api_key import ApiKey
from contracts.clock import utcnow
from contracts.encoding import dumps
from contracts.enums import LLMProviderType
from contracts.errors import ContentTooLong, InvalidCallbackTopic, InvalidConfig, InvalidRequest
from contracts.http import LLMComparisonRequest, LLMConfigOverridesHTTP
from contracts.random_ids import RandomBytes
from contracts.settings import Settings
from contracts.topics import LEGAL_TOPIC, TopicPatterns, own_topics
from contracts.trace import RANDOM_BYTES, continue_trace
from ledger.request import StoredRequest
from providers.models.manifest import Manifest

#: Levels of `metadata`. An event nests it three levels deep, and common parsers stop at 64.
MAX_METADATA_DEPTH = 32

#: Of one request: its queue id, correlation id and trace.
_random = RandomBytes(16 + 16 + RANDOM_BYTES)

_NO_OVERRIDES = LLMConfigOverridesHTTP()


class Admission:
    def __init__(self, settings: Settings, manifest: Manifest) -> None:
        self._settings = settings
        self._manifest = manifest
        never = own_topics(settings.kafka.topic_prefix)
        self._topics = TopicPatterns(settings.service.callback_topics, never=never)
        self._enabled = frozenset(settings.enabled)
        self._default = settings.default_provider

    def check(
        self, received: LLMComparisonRequest, body_bytes: int, traceparent: str | None, key: ApiKey | None = None
    ) -> StoredRequest:
        """The request as the ledger keeps it. No text in it is longer than `body_bytes`. Raises InvalidRequest."""
        self.check_topic(received.callback_topic, key)
        return self.check_without_topic(received, body_bytes, traceparent, key)

    def check_topic(self, topic: str, key: ApiKey | None) -> None:
        """Raises InvalidCallbackTopic. No message repeats the topic."""
        if not LEGAL_TOPIC.match(topic):
            raise InvalidCallbackTopic(
                "callback_topic is no Kafka topic name: 1 to 249 characters of A-Z, a-z, 0-9, '.', '_' and '-'"
            )
        if not self._topics.allow(topic):
            raise InvalidCallbackTopic("callback_topic is not among the topics that this service may publish to")
        if key is not None and not key.patterns.allow(topic):
            raise InvalidCallbackTopic("callback_topic is not among the topics that this API key may name")

    def check_without_topic(
        self, received: LLMComparisonRequest, body_bytes: int, traceparent: str | None, key: ApiKey | None
    ) -> StoredRequest:
        """As `check`, for requests that the service itself makes: their topic is not checked."""
        overrides = received.llm_config_overrides or _NO_OVERRIDES
        provider = self._enabled_provider(overrides.provider_override or self._default)
        ttl = self._ttl(received)
        self._check_prompt(received, body_bytes)
        self._check_metadata(received, body_bytes)
        now = utcnow()
        model = self._manifest.model_for(provider, overrides.model_override, received, self._settings, now.date())
        random = _random.take()
        return StoredRequest(
            queue_id=UUID(bytes=random[:16], version=4),
            correlation_id=received.correlation_id or UUID(bytes=random[16:32], version=4),
            request=received,
            provider=provider,
            model=model.model_id,
            requested_at=now,
            expires_at=now + timedelta(seconds=ttl),
            traceparent=continue_trace(traceparent, random[32:]),
            owner=key.id if key else None,
            caller=(key.name or None) if key else None,
        )

    def _enabled_provider(self, provider: LLMProviderType) -> LLMProviderType:
        if provider not in self._enabled:
            enabled = [one.value for one in self._settings.enabled]
            message = f"Provider {provider.value} is not enabled"
            raise InvalidConfig(message, reason="provider_not_enabled", enabled=enabled)
        return provider

    def _ttl(self, received: LLMComparisonRequest) -> int:
        limit = self._settings.ledger.queue_ttl_seconds
        if received.ttl_seconds is not None and received.ttl_seconds > limit:
            raise InvalidRequest(f"ttl_seconds: at most {limit}", max_ttl_seconds=limit)
        return received.ttl_seconds or limit

    def _check_prompt(self, received: LLMComparisonRequest, body_bytes: int) -> None:
        limit = self._settings.service.max_prompt_chars
        if body_bytes > limit:
            in_blocks = sum(len(block.content) for block in received.prompt_blocks or ())
            if max(len(received.user_prompt), in_blocks) > limit:
                raise ContentTooLong(f"the prompt is longer than {limit} characters", max_prompt_chars=limit)

    def _check_metadata(self, received: LLMComparisonRequest, body_bytes: int) -> None:
        if not received.metadata:
            return
        limit = self._settings.service.max_metadata_bytes
        # Encoding lengthens only floats (1e15: up to four times), so metadata in a body of a quarter of the limit needs
        # no measuring. The size is checked before the values: a body can hold a million of them.
        if body_bytes > limit // 4 and len(dumps(received.metadata)) > limit:
            raise ContentTooLong(f"metadata is longer than {limit} bytes of JSON", max_metadata_bytes=limit)
        _check_value(received.metadata, MAX_METADATA_DEPTH)


def _check_value(value: object, levels: int) -> None:
    """Refuse too many levels, and NaN and Infinity: JSON has neither, but parsers accept them (also as 1e999)."""
    if isinstance(value, dict | list):
        if not levels:
            raise InvalidRequest(f"metadata: nested deeper than {MAX_METADATA_DEPTH} levels")
        for one in value.values() if isinstance(value, dict) else value:
            _check_value(one, levels - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequest("metadata: JSON has no numbers that are not finite")
