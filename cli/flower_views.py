"""Two of Flower's pages, mended."""

from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView


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


HANDLERS = [
    (r"/broker", AllQueuesPage),
    (r"/api/queues/length", AllQueuesLengths),
]
