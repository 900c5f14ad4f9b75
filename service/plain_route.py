"""A route whose endpoint takes the Request and returns the Response, described in OpenAPI like any other.

FastAPI's own handler would read, copy and validate the body a second time.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class PlainRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint
