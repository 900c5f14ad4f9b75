"""A FastAPI application with the service's own middleware outside of the framework's."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp


class Application(FastAPI):
    """`around` wraps the ASGI application that the framework builds.

    Middleware added with FastAPI's own means runs inside of four of the framework's, which the hot path does not need.
    """

    def __init__(self, *, around: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._around = around

    def build_middleware_stack(self) -> ASGIApp:
        return self._around(super().build_middleware_stack())
