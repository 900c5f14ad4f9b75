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
        table = [
            (route, method, SCOPE_OF[method, route.path])
            for route in routes
            if isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"})
        ]
        #: By their text where that is all: most requests find theirs here.
        self._plain = {(method, route.path): needed for route, method, needed in table if "{" not in route.path}
        self._routes = [(route, needed) for route, _, needed in table]

    def find(self, asgi: Asgi) -> tuple[bool, Scope | None]:
        """Whether anybody may call it, and else what a key must allow: None where there is no such route."""
        plain = asgi["method"], asgi["path"]
        if plain in self._plain:
            needed = self._plain[plain]
            return needed is None, needed
        for route, needed in self._routes:
            if route.matches(asgi)[0] is Match.FULL:
                return needed is None, needed
        return False, None
