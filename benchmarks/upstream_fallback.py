"""The upstream of go/upstream in Python, for machines without Go: the same answers after a fixed delay, more CPU.

It knows no limits, no spread, and counts no connections: what needs them is left out where this one runs.
"""

import argparse
import asyncio
import re
from typing import cast
from urllib.parse import parse_qs, urlsplit

import uvloop

VERDICT = (
    rb"{\"winner\":\"Essay A\",\"justification\":\"Essay A makes its case with evidence and answers the other side,"
    rb" while Essay B mostly repeats its claim.\",\"confidence\":4}"
)
#: Path of each provider's call → its answer; Google's goes on with model and method.
ANSWERS = {
    "/v1/messages": (
        rb'{"id":"msg_benchmark","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":'
        rb'"text","text":"%s"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":900,'
        rb'"output_tokens":60,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}'
    )
    % VERDICT,
    "/v1/responses": (
        rb'{"id":"resp_benchmark","object":"response","created_at":1700000000,"status":"completed","error":null,'
        rb'"incomplete_details":null,"model":"gpt-6-luna","output":[{"type":"message","id":"msg_benchmark","status":'
        rb'"completed","role":"assistant","content":[{"type":"output_text","text":"%s","annotations":[]}]}],"usage":'
        rb'{"input_tokens":900,"output_tokens":60,"total_tokens":960}}'
    )
    % VERDICT,
    "/v1beta/models/": (
        rb'{"candidates":[{"content":{"parts":[{"text":"%s"}],"role":"model"},"finishReason":"STOP","index":0}],'
        rb'"usageMetadata":{"promptTokenCount":900,"candidatesTokenCount":60,"totalTokenCount":960},"modelVersion":'
        rb'"gemini-3.8-flash","responseId":"benchmark"}'
    )
    % VERDICT,
}
LENGTH = re.compile(rb"content-length:[ ]*(\d+)", re.IGNORECASE)
UNITS = {"ms": 0.001, "s": 1.0}


def seconds(duration: str) -> float:
    """As Go writes one: 20ms, 1s, 0.5s."""
    match = re.fullmatch(r"([\d.]+)(ms|s)", duration)
    if match is None:
        raise ValueError(f"no duration: {duration}")
    return float(match[1]) * UNITS[match[2]]


class State:
    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.calls = self.in_flight = self.peak = 0


class Upstream(asyncio.Protocol):
    def __init__(self, state: State) -> None:
        self.state = state
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            self.buffer = self.buffer[size:]
            self.request(head.split(b" ", 2)[1].decode())

    def request(self, target: str) -> None:
        state, parts = self.state, urlsplit(target)
        answer = next((body for path, body in ANSWERS.items() if parts.path.startswith(path)), None)
        if answer is not None:
            state.calls += 1
            state.in_flight += 1
            state.peak = max(state.peak, state.in_flight)
            asyncio.get_running_loop().call_later(state.delay, self.verdict, answer)
        elif parts.path == "/stats":
            numbers = b'{"calls":%d,"in_flight":%d,"peak":%d}' % (state.calls, state.in_flight, state.peak)
            state.peak = state.in_flight
            self.answer(numbers)
        elif parts.path == "/delay":
            state.delay = seconds(parse_qs(parts.query)["is"][0])
            self.answer(b"{}")
        else:
            self.answer(b"{}", b"404 Not Found")

    def verdict(self, answer: bytes) -> None:
        self.state.in_flight -= 1
        self.answer(answer)

    def answer(self, body: bytes, status: bytes = b"200 OK") -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
            self.transport.write(head + body)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-port", type=int, required=True)
    parser.add_argument("-delay", type=seconds, default=0.02)
    arguments = parser.parse_args()
    state = State(arguments.delay)
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(state), "127.0.0.1", arguments.port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
