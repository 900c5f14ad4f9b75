"""The scope that an API key needs for each route. The API does not start if a route is not in this table."""

from access.api_key import Scope

#: None: the route needs no key. Such routes show facts about the service, never about a caller.
SCOPE_OF: dict[tuple[str, str], Scope | None] = {
    ("POST", "/api/v1/comparison"): Scope.SUBMIT,
    ("POST", "/api/v1/comparison/batch"): Scope.SUBMIT,
    ("DELETE", "/api/v1/comparison/{queue_id}"): Scope.CANCEL,
    ("POST", "/api/v1/comparison/redeliver"): Scope.REDELIVER,
    ("POST", "/api/v1/comparison/{queue_id}/redeliver"): Scope.REDELIVER,
    ("GET", "/api/v1/models"): Scope.MODELS,
    ("GET", "/api/v1/providers"): Scope.PROVIDERS,
    ("POST", "/api/v1/providers/{provider}/test"): Scope.PROVIDER_TEST,
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): None,
    ("GET", "/openapi.json"): None,
}
