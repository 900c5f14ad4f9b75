"""The one way to Flower. Without the password there is a sign of life, and a 401 for all else.

In front of Flower and not left to it: its /metrics and /static are open whatever is set, and its own check of the
password answers some headers with a page that shows a traceback and the versions of what is installed.
"""

import binascii
import hmac
from base64 import b64decode
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler


class Door(Router):
    def __init__(self, flower: Application, password: str, below: str = "") -> None:
        """`password`: `user:password`; `below`: the path that Flower's own begin with."""
        self._flower = flower
        self._password = password.encode()
        #: Without the prefix too: a supervisor asks here, and not at the proxy.
        self._alive = {"/healthcheck", f"{below}/healthcheck"}
        self._outside = Application([*((path, _Alive) for path in self._alive), (r".*", _Refused)])

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> HTTPMessageDelegate | None:
        inside = request.path not in self._alive and self._knows(request.headers.get("Authorization", ""))
        return (self._flower if inside else self._outside).find_handler(request, **options)

    def _knows(self, header: str) -> bool:
        scheme, _, told = header.partition(" ")
        try:
            given = b64decode(told.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, self._password)


class _Outside(RequestHandler):
    def set_default_headers(self) -> None:
        self.clear_header("Server")


class _Alive(_Outside):
    def get(self) -> None:
        self.write("OK")


class _Refused(_Outside):
    def prepare(self) -> None:
        """Before the method is looked at: every one is refused alike."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self.finish()
