"""The password check in front of Flower, and two of its pages that list the queues of all enabled providers.

Without the password, /healthcheck answers and all other paths get a 401. Flower's own check does not suffice: its
/metrics and /static are always open, and it answers some headers with a page that shows a traceback and the versions of
installed packages.
"""

import binascii
import hmac
from base64 import b64decode
from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application, RequestHandler


class PasswordCheck(Router):
    def __init__(self, flower: Application, password: str, below: str = "") -> None:
        """`password`: `user:password`; `below`: the path prefix of Flower's pages."""
        self._flower = flower
        self._password = password.encode()
        #: Also without the prefix, since a supervisor asks Flower itself and not its proxy.
        self._alive = {"/healthcheck", f"{below}/healthcheck"}
        self._outside = Application([*((path, _Alive) for path in self._alive), (r".*", _Refused)])

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> HTTPMessageDelegate | None:
        inside = request.path not in self._alive and self._knows(request.headers.get("Authorization", ""))
        return (self._flower if inside else self._outside).find_handler(request, **options)

    def _knows(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        try:
            given = b64decode(credentials.strip(), validate=True)
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
        """Refuse here, before tornado looks at the method, so that all methods get the same answer."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self.finish()


class _AllQueues:
    """Flower lists only queues that workers consume at the moment. The queue of a provider whose gate is closed would
    be missing, although its backlog matters most.
    """

    settings: dict[str, Any]

    def get_active_queue_names(self) -> list[str]:
        return list(self.settings["umpire_queues"])


class AllQueuesPage(_AllQueues, BrokerView):
    pass


class AllQueuesLengths(_AllQueues, GetQueueLengths):
    pass


HANDLERS = [
    (r"/broker", AllQueuesPage),
    (r"/api/queues/length", AllQueuesLengths),
]
