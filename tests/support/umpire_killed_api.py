"""Several API processes under load: each is killed in turn, and the metrics are scraped all the while."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from devtools.servers import apoll

ROUTE = "/api/v1/comparison"
BODY = {"user_prompt": "x", "callback_topic": "t", "processing_mode": "queue"}

CLIENTS, SCRAPES = 6, 100

#: Far fewer than one process answers in the time that a successor of the other one needs for its imports, even on a
#: machine that is busy with other tests.
ANSWERS = 10


class Load:
    """Clients that post one comparison after the other, and count the answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = asyncio.Event()
        self._clients: list[asyncio.Task[None]] = []
        self.answers: Counter[int] = Counter()
        #: Connections that were lost: the process that had them was killed.
        self.lost = 0

    def start(self) -> None:
        self._clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._clients)

    async def _client(self) -> None:
        while not self._stop.is_set():
            async with httpx2.AsyncClient(base_url=self._url, timeout=20) as one:
                try:
                    for _ in range(20):
                        answer = await one.post(ROUTE, json=BODY)
                        self.answers[answer.status_code] += 1
                        if self._stop.is_set():
                            return
                except httpx2.TransportError:
                    self.lost += 1


def growing(text: str) -> dict[tuple[str, ...], float]:
    """Counters, and the parts of histograms that count, of each process."""
    return {
        (sample.name, *map(str, sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in {"counter", "histogram"}
        for sample in family.samples
    }


def answered(text: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "llm_provider_http_requests_total" and sample.labels["route"] == ROUTE
    )


def running(text: str) -> set[str]:
    """API processes that run and whose loops turn."""
    return {
        sample.labels["process"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "llm_provider_process_up" and sample.value and sample.labels["process"].startswith("api-")
    }


async def scrape(url: str) -> str:
    """The text of /metrics; empty where the process that had accepted the connection was killed."""
    async with httpx2.AsyncClient(timeout=20) as client:
        with contextlib.suppress(httpx2.TransportError):
            answer = await client.get(f"{url}/metrics")
            assert answer.status_code == 200
            return answer.text
    return ""


class Scraper:
    """Scrapes again and again, and fails once a counter of any process is less than it was, or gone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._before: dict[tuple[str, ...], float] = {}
        self.scrapes = 0

    async def __call__(self) -> None:
        while True:
            if text := await scrape(self._url):
                now = growing(text)
                backwards = {
                    key: (value, now.get(key)) for key, value in self._before.items() if now.get(key, -1) < value
                }
                assert not backwards
                self._before = now
                self.scrapes += 1
            await asyncio.sleep(0.03)


async def kill_each_under_load(url: str, pids: Callable[[], list[int]]) -> str:
    """Kill each of two API processes with SIGKILL, the second one once the first one has a successor.

    Asserts that the other one answers meanwhile, that no counter of any process goes backwards in 100 scrapes and more,
    and that their sum is what the clients have counted. Returns the last scrape.
    """
    load, scraper = Load(url), Scraper(url)
    load.start()
    scraping = asyncio.create_task(scraper())

    async def scraped(count: int) -> None:
        until = scraper.scrapes + count
        await apoll(lambda: scraping.done() or scraper.scrapes >= until, 60, what=f"{count} scrapes")
        if scraping.done():
            scraping.result()  # raises what it found

    victims = pids()
    assert len(victims) == 2, victims
    for victim in victims:
        await scraped(SCRAPES // 3)
        answers = load.answers[202]
        os.kill(victim, signal.SIGKILL)

        async def replaced(victim: int = victim) -> bool:
            now = pids()
            return len(now) == 2 and victim not in now and running(await scrape(url)) == {"api-1", "api-2"}

        await apoll(replaced, 40, what="a successor")
        assert load.answers[202] - answers > ANSWERS, "the other one did not answer meanwhile"
    await scraped(SCRAPES // 3 + 1)
    assert scraper.scrapes >= SCRAPES
    await load.stop()
    scraping.cancel()
    assert load.answers.keys() == {202}, load.answers
    assert load.lost <= 2 * CLIENTS  # the connections of those that were killed

    async def settled() -> str:
        # Killed in the middle of a request, a process has counted it or not, and its client has the answer or not.
        text = await scrape(url)
        return text if abs(answered(text) - load.answers[202]) <= load.lost else ""

    return await apoll(settled, 10, what=f"the counters' sum is the clients' {load.answers[202]} ± {load.lost}")
