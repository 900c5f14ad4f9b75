"""The yardstick of a worker's CPU: the same calls by the SDK alone. `python -m benchmarks.bare_call URL COUNT`.

The fastest way the SDK has (async, on its aiohttp transport), as many at a time as a worker has slots, and nothing
around it. Prints the CPU milliseconds of one call as JSON.
"""

import asyncio
import gc
import json
import sys
import time

from anthropic import AsyncAnthropic, DefaultAioHttpClient

from benchmarks.load import comparison_body

SLOTS = 64
WARM_UP = 300


async def main(url: str, count: int) -> None:
    prompt = json.loads(comparison_body("none"))["user_prompt"]
    async with AsyncAnthropic(
        api_key="benchmark", base_url=url, max_retries=0, http_client=DefaultAioHttpClient()
    ) as client:

        async def calls(numbers: range) -> None:
            left = iter(numbers)

            async def slot() -> None:
                for _ in left:
                    await client.messages.create(
                        model="claude-haiku-4-5", max_tokens=500, messages=[{"role": "user", "content": prompt}]
                    )

            await asyncio.gather(*(slot() for _ in range(SLOTS)))

        await calls(range(WARM_UP))
        # As the worker does at its start.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        before = time.process_time()
        await calls(range(count))
        print(json.dumps({"cpu_ms": 1000 * (time.process_time() - before) / count}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
