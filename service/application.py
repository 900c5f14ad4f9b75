"""FastAPI inside of the service's own loops."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp


class Application(FastAPI):
    """`around` gets what the framework builds, and gives what is called in its place.

    Middleware that is added to a FastAPI application runs inside of four of its own, which the hot path has no use for.
    """

    def __init__(self, *, around: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._around = around

    def build_middleware_stack(self) -> ASGIApp:
        return self._around(super().build_middleware_stack())
