"""The order of the faults and the pauses between them, determined by the seed."""

import random
from dataclasses import dataclass

from chaos import faults
from chaos.faults import Fault

#: Each of these at least once in a full run.
FULL: list[Fault] = [
    *[faults.worker_killed] * 3,
    faults.all_workers_killed,
    *[faults.worker_stopped] * 2,
    faults.api_killed,
    *[faults.api_processes_killed_one_by_one] * 2,
    faults.api_stopped,
    *[faults.redis_frozen_briefly] * 2,
    *[faults.redis_frozen_for_long] * 2,
    *[faults.redis_killed] * 2,
    faults.redis_gone_for_long,
    faults.redis_full,
    faults.redis_read_only,
    faults.spool_survives_api_processes_killed,
    faults.spool_survives_api_stopped,
    *[faults.partition] * 2,
    *[faults.worker_killed_while_redis_is_frozen] * 2,
    faults.kafka_down,
    faults.overloaded,
    faults.key_rejected,
    faults.disconnects,
    faults.malformed_bodies,
    faults.errors_and_limits,
    faults.late_and_hanging,
]

#: The quick ones, for CI.
SHORT: list[Fault] = [
    faults.worker_killed,
    faults.worker_stopped,
    faults.api_processes_killed_one_by_one,
    faults.redis_frozen_briefly,
    faults.redis_killed,
    faults.partition,
    faults.kafka_down_briefly,
    faults.overloaded_briefly,
    faults.key_rejected,
    faults.malformed_bodies,
]


@dataclass(frozen=True)
class Step:
    #: Seconds after the end of the previous fault.
    pause: float
    fault: Fault


def schedule(seed: int, kinds: list[Fault], pauses: tuple[float, float]) -> list[Step]:
    rng = random.Random(f"{seed}.schedule")
    order = rng.sample(kinds, len(kinds))
    return [Step(rng.uniform(*pauses), fault) for fault in order]
