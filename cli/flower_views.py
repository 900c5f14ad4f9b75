"""Two of Flower's pages, mended."""

from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView
from flower.views.monitor import Metrics
from tornado import web


class _AllQueues:
    """Flower lists the queues that workers consume right now; a gated provider's is not among them, and its backlog
    is what an operator comes to see.
    """

    capp: Any

    def get_active_queue_names(self) -> list[str]:
        return sorted(self.capp.conf.task_queues)


class AllQueuesPage(_AllQueues, BrokerView):  # type: ignore[misc] - Flower is untyped
    pass


class AllQueuesLengths(_AllQueues, GetQueueLengths):  # type: ignore[misc] - the same
    pass


class PrivateMetrics(Metrics):  # type: ignore[misc] - the same
    """Flower leaves its metrics open even where it has a password."""

    @web.authenticated
    async def get(self) -> None:
        await super().get()


HANDLERS = [
    (r"/broker", AllQueuesPage),
    (r"/api/queues/length", AllQueuesLengths),
    (r"/metrics", PrivateMetrics),
]
