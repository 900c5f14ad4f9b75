"""The simulated provider, a separate process in front of aimock: answers calls, makes faults, and records each call.

Each worker process has a different base URL, so that the journal has the caller. POST /control sets the shares of
faults by provider; GET /control returns the number of calls in progress.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

from chaos.answers import (
    REFUSALS,
    USUAL,
    WORTHLESS,
    Verdict,
    anthropic_body,
    draw,
    encoded,
    error_body,
    latency,
    odd,
    openai_body,
    text_of,
)
from chaos.journal import Journal

#: Seconds after its timeout at which a late answer comes.
LATE_SECONDS = 1.0

#: Seconds after which a hanging call is closed.
HANG_SECONDS = 60.0


class Upstream:
    def __init__(self, journal: Journal, seed: int, attempt: float, aimock: str) -> None:
        """`attempt`: the caller's timeout in seconds; `aimock`: URL of aimock, which answers for OpenAI."""
        self._aimock = httpx2.AsyncClient(base_url=aimock, trust_env=False)
        self._journal = journal
        self._random = random.Random(seed)
        self._attempt = attempt
        self._number = itertools.count(1)
        self._rates = {"anthropic": dict(USUAL), "openai": dict(USUAL)}
        self._in_progress = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. Returns False if the connection must be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        _, path, _ = head[0].split(" ", 2)
        if path == "/control":
            for provider, rates in json.loads(content or b"{}").items():
                # The requested faults come first, so that a share of 1 leaves none to the usual ones.
                self._rates[provider] = {**rates, **{name: USUAL[name] for name in USUAL.keys() - rates.keys()}}
            _send(writer, 200, json.dumps({"in_progress": self._in_progress}).encode())
            return True
        self._in_progress += 1
        try:
            return await self._call(path, headers.get("x-umpire-attempt", ""), content, writer)
        finally:
            self._in_progress -= 1

    async def _call(self, path: str, attempt: str, content: bytes, writer: asyncio.StreamWriter) -> bool:
        number, received = next(self._number), time.time()
        provider = "openai" if path.endswith("/responses") else "anthropic"
        fault = draw(self._rates[provider], self._random)
        verdict = Verdict.of(number, self._random)
        whole = await self._answer(provider, content, fault, verdict)
        await asyncio.sleep(self._seconds(fault))
        status: int | None = None
        # A provider charges for each whole answer, even if the caller has gone.
        with contextlib.suppress(ConnectionError):
            if fault in REFUSALS:
                status, wait = REFUSALS[fault]
                more = {} if wait is None else {"retry-after": str(wait)}
                _send(writer, status, error_body(provider, status), more)
            elif fault == "cut":
                status = 200
                _send(writer, 200, whole, cut=len(whole) // 2)
            elif fault not in {"drop", "hang"}:
                status = 200
                _send(writer, 200, whole)
            await writer.drain()
        full = status == 200 and fault != "cut"
        self._journal.write(
            call=number, attempt=attempt, worker=path.split("/")[1], provider=provider, received=received,
            ended=time.time(), fault=fault, status=status, full=full, valid=full and fault not in WORTHLESS,
            verdict=vars(verdict), gone=writer.is_closing(),
        )  # fmt: skip
        return fault not in {"cut", "drop", "hang"}

    async def _answer(self, provider: str, content: bytes, fault: str, verdict: Verdict) -> bytes:
        """With status 200."""
        text, truncated = text_of(verdict, fault), fault == "truncated"
        if provider == "anthropic":
            return self._written(anthropic_body(text, truncated=truncated), fault)
        headers = {"content-type": "application/json", "authorization": "Bearer chaos"}
        made = (await self._aimock.post("/v1/responses", content=content, headers=headers)).raise_for_status().text
        return self._written(openai_body(made, text, truncated=truncated), fault)

    def _written(self, body: dict[str, Any], fault: str) -> bytes:
        return encoded(odd(body, self._random) if fault == "odd" else body, fault)

    def _seconds(self, fault: str) -> float:
        if fault == "hang":
            return HANG_SECONDS
        if fault == "late":
            return self._attempt + LATE_SECONDS
        if fault == "slow":
            return self._random.uniform(0.6, 0.95) * self._attempt
        return latency(self._random) / (5 if fault in REFUSALS else 1)


def _send(
    writer: asyncio.StreamWriter, status: int, content: bytes, headers: Mapping[str, str] = {}, cut: int | None = None
) -> None:
    lines = [f"HTTP/1.1 {status} Status", "content-type: application/json", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + content[:cut])


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--attempt", type=float, required=True)
    parser.add_argument("--aimock", required=True)
    arguments = parser.parse_args()
    upstream = Upstream(Journal(arguments.journal), arguments.seed, arguments.attempt, arguments.aimock)
    server = await asyncio.start_server(upstream.serve, arguments.host, arguments.port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
