"""The error tree: what each class says on the wire, and that it survives a pickle."""

import pickle

import pytest

from contracts import errors
from contracts.enums import LLMErrorCode
from contracts.errors import ProviderError, UmpireError, is_permanent

#: class → code, HTTP status, whether a client may try again
WIRE = {
    "UmpireError": ("INTERNAL_ERROR", 500, False),
    "InvalidRequest": ("INVALID_CONFIG", 422, False),
    "InvalidPrompt": ("INVALID_PROMPT", 422, False),
    "InvalidConfig": ("INVALID_CONFIG", 422, False),
    "ContentTooLong": ("CONTENT_TOO_LONG", 413, False),
    "IdempotencyConflict": ("IDEMPOTENCY_CONFLICT", 422, False),
    "CallbackTopicMissing": ("CALLBACK_TOPIC_MISSING", 422, False),
    "InvalidCallbackTopic": ("INVALID_CALLBACK_TOPIC", 422, False),
    "AuthenticationFailed": ("AUTHENTICATION_FAILED", 401, False),
    "PermissionDenied": ("AUTHENTICATION_FAILED", 403, False),
    "QuotaExceeded": ("QUOTA_EXCEEDED", 429, True),
    "CostLimitReached": ("COST_LIMIT_EXCEEDED", 429, True),
    "NotFound": ("INVALID_CONFIG", 404, False),
    "MethodNotAllowed": ("INVALID_CONFIG", 405, False),
    "Unavailable": ("INTERNAL_ERROR", 503, True),
    "QueueFull": ("QUEUE_FULL", 503, True),
    "InternalError": ("INTERNAL_ERROR", 500, False),
    "TooLate": ("INVALID_CONFIG", 409, False),
    "NotRedeliverable": ("INVALID_CONFIG", 409, False),
    "NotKept": ("INVALID_CONFIG", 410, False),
    "RequestCancelled": ("REQUEST_CANCELLED", 409, False),
    "RequestExpired": ("REQUEST_EXPIRED", 504, True),
    "ProviderError": ("PROVIDER_API_ERROR", 502, False),
    "ProviderUnavailable": ("PROVIDER_UNAVAILABLE", 503, True),
    "ProviderServerError": ("PROVIDER_API_ERROR", 502, True),
    "ProviderTimeout": ("PROVIDER_TIMEOUT", 504, True),
    "ProviderRateLimited": ("PROVIDER_RATE_LIMIT", 503, True),
    "ProviderRejected": ("PROVIDER_API_ERROR", 502, False),
    "ProviderMisconfigured": ("CONFIGURATION_ERROR", 500, False),
    "ProviderConflict": ("PROVIDER_API_ERROR", 502, True),
    "ProviderOnHold": ("PROVIDER_UNAVAILABLE", 503, True),
    "MisconfiguredHold": ("CONFIGURATION_ERROR", 503, True),
    "SpendLimitHold": ("COST_LIMIT_EXCEEDED", 503, True),
    "ModelForbidden": ("CONFIGURATION_ERROR", 500, False),
    "SpendLimitReached": ("COST_LIMIT_EXCEEDED", 503, False),
    "AnswerError": ("PROVIDER_API_ERROR", 502, False),
    "ParsingError": ("PARSING_ERROR", 502, False),
    "InvalidResponse": ("INVALID_RESPONSE", 502, False),
}
TRIPS = {"ProviderUnavailable", "ProviderServerError", "ProviderTimeout"}
PERMANENT = {"ProviderRejected", "ProviderMisconfigured", "ModelForbidden", "SpendLimitReached"}


def tree(cls=UmpireError):
    return {cls.__name__: cls} | {name: sub for child in cls.__subclasses__() for name, sub in tree(child).items()}


TREE = tree()


def test_every_class_is_listed_here_and_drawn_in_the_docstring():
    assert set(TREE) == set(WIRE)
    assert all(name in errors.__doc__ for name in TREE)


@pytest.mark.parametrize("name", WIRE)
def test_code_status_and_retryability(name):
    cls = TREE[name]
    assert (cls.code, cls.status, cls.retryable) == (LLMErrorCode[WIRE[name][0]], *WIRE[name][1:])
    assert cls.title


def test_only_what_speaks_of_the_providers_health_trips_its_breaker():
    providers = tree(ProviderError)
    assert {name for name, cls in providers.items() if cls.trips} == TRIPS
    assert {name for name, cls in providers.items() if cls.permanent} == PERMANENT
    assert all(cls.failure_type for cls in providers.values())


@pytest.mark.parametrize("name", WIRE)
def test_it_survives_a_pickle(name):
    error = TREE[name]("what happened", retry_after=2.5, status_code=529, model="m")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    told = (again.message, again.retry_after, again.details)
    assert told == ("what happened", 2.5, {"status_code": 529, "model": "m"})
    assert str(again) == "what happened"


def test_permanent_is_what_another_call_cannot_help():
    assert {name for name, cls in TREE.items() if is_permanent(cls("x"))} == PERMANENT | {
        name for name, cls in TREE.items() if not issubclass(cls, ProviderError) and not cls.retryable
    }
