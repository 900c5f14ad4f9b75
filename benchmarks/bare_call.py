"""Calls by the SDK alone: `python -m benchmarks.bare_call URL COUNT SLOTS`.

The fastest way the SDK has (async, on its aiohttp transport), `SLOTS` at a time, and nothing around it. Prints calls a
second, the CPU milliseconds of one and the median of the time that one took, as JSON.
"""

import asyncio
import gc
import json
import statistics
import sys
import time

from anthropic import AsyncAnthropic, DefaultAioHttpClient

from benchmarks.load import comparison_body

WARM_UP = 300


async def main(url: str, count: int, slots: int) -> None:
    prompt = json.loads(comparison_body("none"))["user_prompt"]
    async with AsyncAnthropic(
        api_key="benchmark", base_url=url, max_retries=0, http_client=DefaultAioHttpClient()
    ) as client:

        async def calls(numbers: range) -> list[float]:
            left, took = iter(numbers), list[float]()

            async def slot() -> None:
                for _ in left:
                    began = time.perf_counter()
                    await client.messages.create(
                        model="claude-haiku-4-5", max_tokens=500, messages=[{"role": "user", "content": prompt}]
                    )
                    took.append(1000 * (time.perf_counter() - began))

            await asyncio.gather(*(slot() for _ in range(slots)))
            return took

        await calls(range(min(WARM_UP, count)))
        # As the worker does at its start.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        began, before = time.perf_counter(), time.process_time()
        took = await calls(range(count))
        seconds, spent = time.perf_counter() - began, time.process_time() - before
        figures = {"cpu_ms": 1000 * spent / count, "rate": count / seconds, "p50_ms": statistics.median(took)}
        print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
