"""Two of Flower's pages, mended."""

from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views import BaseHandler
from flower.views.broker import BrokerView
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from tornado import web


class _AllQueues:
    """Flower lists the queues that workers consume right now; a gated provider's is not among them, and its backlog
    is what an operator comes to see.
    """

    settings: dict[str, Any]

    def get_active_queue_names(self) -> list[str]:
        return list(self.settings["umpire_queues"])


class AllQueuesPage(_AllQueues, BrokerView):
    pass


class AllQueuesLengths(_AllQueues, GetQueueLengths):
    pass


class PrivateMetrics(BaseHandler):
    """Flower leaves its metrics open even where it has a password."""

    application: Any

    @web.authenticated
    async def get(self, *_: Any, **__: Any) -> None:
        self.application.purge_offline_worker_metrics()
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(generate_latest())


HANDLERS = [
    (r"/broker", AllQueuesPage),
    (r"/api/queues/length", AllQueuesLengths),
    (r"/metrics", PrivateMetrics),
]
