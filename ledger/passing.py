"""Which faults of Redis pass by themselves: what they refuse may be tried again."""

from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, ResponseError, TryAgainError

#: What Redis says of faults that last for a while: it loads its file, is full or read-only, runs a script, cannot write
#: its file, has too few replicas, or is in the middle of a failover.
_PASSING = (
    "BUSY ", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN",
    "UNBLOCKED", "UNKILLABLE", "command not allowed when used memory", "You can't write against a read only",
)  # fmt: skip


_PASSING_CLASSES = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)


def passes(error: Exception) -> bool:
    """Whether the same command may succeed later. A lost connection passes. A fault of a script, a key of the wrong
    type or a missing permission does not, until somebody mends it.
    """
    if not isinstance(error, ResponseError) or isinstance(error, _PASSING_CLASSES):
        return True
    return any(mark in str(error)[:200] for mark in _PASSING)
