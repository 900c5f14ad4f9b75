"""Replacements for two of Flower's pages, which list the queues of all enabled providers."""

from typing import Any

from flower.api.tasks import GetQueueLengths
from flower.views.broker import BrokerView


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
