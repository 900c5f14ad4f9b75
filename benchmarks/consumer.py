"""The consumer of result events, a separate process: `python -m benchmarks.consumer BOOTSTRAP TOPIC OUT`.

Appends to OUT, for each event: queue id, arrival (ns since the epoch), 1 for a verdict or 0 for an error. The first
line, "ready", says that it is assigned to its partitions.
"""

import signal
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer

from contracts.encoding import loads


def main(bootstrap: str, topic: str, out: Path) -> None:
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"benchmark-{time.time_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 1000,
        }
    )
    with out.open("w") as file:

        def assigned(*_: object) -> None:
            file.write("ready\n")
            file.flush()

        consumer.subscribe([topic], on_assign=assigned)
        while going:
            messages = consumer.consume(500, 0.05)
            now = time.time_ns()
            for message in messages:
                if message.error() is None:
                    data = loads(message.value() or b"")["data"]
                    file.write(f"{data['request_id']} {now} {int(data.get('error_detail') is None)}\n")
            if messages:
                file.flush()
    consumer.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
