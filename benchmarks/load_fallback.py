"""The load client of go/load in Python, for machines without Go: the same arguments and output, more CPU."""

import argparse
import asyncio
import json
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

LENGTH = re.compile(rb"content-length:[ ]*(\d+)", re.IGNORECASE)
QUEUE_ID = re.compile(rb'"queue_id":"([0-9a-f-]{36})"')


class Client:
    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.host, self.port, self.request = host, port, request
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self) -> tuple[int, str]:
        if self.streams is None:
            self.streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self.streams
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        if length is None:
            raise ConnectionError("answer without Content-Length")
        body = await reader.readexactly(int(length[1]))
        queue_id = QUEUE_ID.search(body)
        return int(head[9:12]), queue_id[1].decode() if queue_id else ""

    def reset(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


async def run(arguments: argparse.Namespace) -> None:
    where = urlsplit(arguments.url)
    body = Path(arguments.body).read_bytes()
    target = f"{where.path or '/'}?{where.query}" if where.query else where.path or "/"
    head = f"POST {target} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    head += "".join(f"{line}\r\n" for line in arguments.header) + f"Content-Length: {len(body)}\r\n\r\n"
    begin, epoch = time.monotonic(), time.time_ns()
    numbers = iter(range(arguments.n))
    records: list[tuple[float, float, int, str]] = []

    async def connection() -> None:
        client = Client(where.hostname or "", where.port or 80, head.encode() + body)
        for i in numbers:
            start = time.monotonic() - begin
            if arguments.rate:
                start = i / arguments.rate
                await asyncio.sleep(max(0.0, begin + start - time.monotonic()))
            left = begin + arguments.seconds - time.monotonic()
            if left <= 0:
                break
            status, queue_id = 0, ""
            try:
                status, queue_id = await asyncio.wait_for(client.post(), left)
            except (OSError, EOFError, TimeoutError):
                client.reset()
            records.append((start, time.monotonic() - begin - start, status, queue_id))
        client.reset()

    await asyncio.gather(*(connection() for _ in range(arguments.connections)))
    took = time.monotonic() - begin
    if arguments.out:
        lines = (f"{epoch + int(s * 1e9)} {int(t * 1e9)} {code} {queue_id}\n" for s, t, code, queue_id in records)
        Path(arguments.out).write_text("".join(lines))
    latencies = sorted(t * 1000 for _, t, code, _ in records if 200 <= code < 300)

    def percentile(share: float) -> float:
        return latencies[min(int(share * len(latencies)), len(latencies) - 1)] if latencies else 0.0

    summary = {
        "sent": len(records),
        "accepted": len(latencies),
        "seconds": took,
        "rate": len(latencies) / took,
        **{f"p{p}_ms": percentile(p / 100) for p in (50, 95, 99)},
        "cpu_seconds": time.process_time(),
    }
    print(json.dumps(summary))


def header(line: str) -> str:
    """As the Go client takes one."""
    name, colon, _ = line.partition(":")
    if not name or not colon or "\r" in line or "\n" in line:
        raise ValueError(f"no header: {line!r}")
    return line


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-url", required=True)
    parser.add_argument("-body", required=True)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("-connections", type=int, default=64)
    parser.add_argument("-rate", type=float, default=0.0)
    parser.add_argument("-seconds", type=float, default=60.0)
    parser.add_argument("-out", default="")
    parser.add_argument("-header", type=header, action="append", default=[])
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
