"""What an API key must allow for each route. A route that is not in this table stops the start."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope as Asgi

from guard.api_key import Scope

#: None: open to everybody who reaches the port. These tell of the service, never of a caller.
SCOPE_OF: dict[tuple[str, str], Scope | None] = {
    ("POST", "/api/v1/comparison"): Scope.SUBMIT,
    ("DELETE", "/api/v1/comparison/{queue_id}"): Scope.CANCEL,
    ("GET", "/api/v1/models"): Scope.MODELS,
    ("GET", "/api/v1/providers"): Scope.PROVIDERS,
    ("POST", "/api/v1/providers/{provider}/test"): Scope.PROVIDER_TEST,
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): None,
    ("GET", "/openapi.json"): None,
}


class Scopes:
    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """Raises KeyError for a route that nobody thought of."""
        self._routes = [
            (route, SCOPE_OF[method, route.path])
            for route in routes
            if isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"})
        ]

    def is_open(self, scope: Asgi) -> bool:
        return any(needed is None and route.matches(scope)[0] is not Match.NONE for route, needed in self._routes)

    def needed(self, scope: Asgi) -> Scope | None:
        """None where there is no such route: any good key is told so."""
        fitting = (needed for route, needed in self._routes if route.matches(scope)[0] is Match.FULL)
        return next(fitting, None)
