"""What the accept rate is held against: the same server process with a route that does nothing but echo.

`python -m benchmarks.echo PORT` is `umpire api` with its application replaced: the same event loop, HTTP parser,
garbage collection settings and socket, the same request and response model, and no ledger behind them.
"""

import sys
from uuid import uuid4

from fastapi import FastAPI

from cli.serve import api
from contracts.http import LLMComparisonRequest, LLMQueuedResponse
from contracts.settings import load_settings
from service import app as service_app

app = FastAPI()


@app.post("/api/v1/comparison", status_code=202)
async def echo(_comparison: LLMComparisonRequest) -> LLMQueuedResponse:
    return LLMQueuedResponse(queue_id=uuid4(), message="echo", correlation_id=uuid4())


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {}


if __name__ == "__main__":
    service_app.create_app = lambda *_: app
    settings = load_settings()
    api.serve(settings, api.listen_for_callers(settings, "127.0.0.1", int(sys.argv[1])))
