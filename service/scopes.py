"""The scope that an API key needs for each route. The API does not start if a route is not in this table."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope as Asgi

from access.api_key import Scope

#: None: open to everybody who reaches the port. These routes show facts about the service, never about a caller.
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
        """Raises KeyError for a route that SCOPE_OF lacks."""
        table = [
            (route, method, SCOPE_OF[method, route.path])
            for route in routes
            if isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"})
        ]
        #: Routes without parameters, by method and path: most requests match here.
        self._plain = {(method, route.path): needed for route, method, needed in table if "{" not in route.path}
        self._routes = [(route, needed) for route, _, needed in table]

    def find(self, asgi: Asgi) -> tuple[bool, Scope | None]:
        """Whether the route is open to everybody, and the scope that a key needs if not; None: no such route."""
        plain = asgi["method"], asgi["path"]
        if plain in self._plain:
            needed = self._plain[plain]
            return needed is None, needed
        for route, needed in self._routes:
            if route.matches(asgi)[0] is Match.FULL:
                return needed is None, needed
        return False, None
