"""Which Redis errors are temporary, so that the command may be retried."""

from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, ResponseError, TryAgainError

#: Messages of temporary errors: Redis is loading its file, full, read-only, running a script, unable to write its file,
#: short of replicas, or in a failover.
_PASSING = (
    "BUSY ", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN",
    "UNBLOCKED", "UNKILLABLE", "command not allowed when used memory", "You can't write against a read only",
)  # fmt: skip


_PASSING_CLASSES = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)


def is_transient(error: Exception) -> bool:
    """Whether the same command may succeed later. True for a lost connection. False for a script error, a key of the
    wrong type or a missing permission, which somebody has to repair.
    """
    if not isinstance(error, ResponseError) or isinstance(error, _PASSING_CLASSES):
        return True
    return any(mark in str(error)[:200] for mark in _PASSING)
