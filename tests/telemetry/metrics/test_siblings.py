"""One scrape tells all processes of a directory, whichever is asked; what one of them counted outlives it."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families
from umpire_cli import get

from cli.flower.metrics import FlowerMetrics
from cli.supervise.ports import listen, url_of
from devtools.servers import ROOT, poll
from telemetry.metrics import series_file as module
from telemetry.metrics.endpoint import serve, serve_on
from telemetry.metrics.metrics import Metrics
from telemetry.metrics.process_files import is_running, take_process_file
from telemetry.metrics.series_file import COUNTER, SeriesFile, SeriesKey, read
from telemetry.metrics.table import PREFIX
from telemetry.observer import Note

COUNTING = """
import sys, time
from pathlib import Path
from telemetry.metrics.metrics import Metrics
from telemetry.observer import Note
from telemetry.metrics.process_files import take_process_file
directory = Path(sys.argv[1])
metrics = Metrics(process_file=take_process_file(directory, "api"), directory=directory)
metrics.alive()
for _ in range(100):
    metrics(Note("http.answered", labels={"route": "/x", "status": "202"}, value=0.02))
metrics(Note("adaptive.concurrency", labels={"provider": "mock"}, value=7))
print("counted", flush=True)
time.sleep(60)
"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", COUNTING, str(tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "counted\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def scraped(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Value by name and labels' values, in the order of the labels' names."""
    return {
        (sample.name.removeprefix(PREFIX), *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_one_scrape_tells_all_and_a_killed_process_leaves_its_numbers_to_its_successor(
    tmp_path: Path, start: Start
) -> None:
    one, _ = start(), start()
    mine = Metrics(process_file=take_process_file(tmp_path, "worker-mock"), directory=tmp_path)
    mine(Note("ledger.admitted", labels={"provider": "mock"}))
    mine.alive()
    told = scraped(mine)
    assert [told["http_requests_total", name, "/x", "202"] for name in ("api-1", "api-2")] == [100, 100]
    assert told["http_request_duration_seconds_count", "api-1", "/x"] == 100
    assert told["admitted_total", "worker-mock-1", "mock"] == 1
    assert told["concurrency_limit", "api-1", "mock"] == 7
    assert {told["process_up", name] for name in ("api-1", "api-2", "worker-mock-1")} == {1}
    one.send_signal(signal.SIGKILL)
    one.wait()
    told = scraped(mine)
    assert told["http_requests_total", "api-1", "/x", "202"] == 100
    assert ("concurrency_limit", "api-1", "mock") not in told  # a level of nobody
    assert told["process_up", "api-1"] == 0
    start()
    told = scraped(mine)
    assert [told["http_requests_total", name, "/x", "202"] for name in ("api-1", "api-2")] == [200, 100]
    assert ("http_requests_total", "api-3", "/x", "202") not in told


def test_a_process_whose_loop_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(process_file=take_process_file(tmp_path, "worker-mock"), directory=tmp_path)
    port = serve(metrics, "127.0.0.1", 0)

    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    metrics.alive(ready=False)
    assert [status(path) for path in ("/metrics", "/healthz", "/readyz", "/x")] == [200, 200, 503, 404]
    metrics.alive()
    assert [status(path) for path in ("/metrics", "/healthz", "/readyz")] == [200, 200, 200]
    monkeypatch.setattr("telemetry.metrics.metrics.ALIVE_SECONDS", 0.1)
    poll(lambda: status("/healthz") == 503, what="the loop is seen to hang")
    assert status("/metrics") == 200
    assert scraped(metrics)["process_up", "worker-mock-1"] == 0


def test_a_file_grows_and_is_gone_on_with(tmp_path: Path) -> None:
    place = take_process_file(tmp_path, "api")
    keys = [SeriesKey(COUNTER, "m", (f"label {n}", "å" * (n % 9))) for n in range(3_000)]
    first = SeriesFile(place.file)
    for n, key in enumerate(keys):
        first.take(key, 1 + n % 30)[n % 30] = n
    path = tmp_path / "api-1.metrics"
    assert path.stat().st_size > 5 * module.CHUNK_BYTES
    assert is_running(path)
    found = {SeriesKey.decode(text): numbers[-1] for text, numbers in read(path)}
    assert found == {key: n for n, key in enumerate(keys)}
    del first
    place.file.close()
    assert not is_running(path)
    again = SeriesFile(take_process_file(tmp_path, "api").file)
    assert [again.take(key, 1 + n % 30)[-1] for n, key in enumerate(keys)] == [*range(3_000)]
    assert again.take(keys[0], 2)[0] == 0  # another version's histogram has other buckets


def test_garbage_in_a_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "api-1.metrics").write_bytes(b"\xff" * 3 * module.CHUNK_BYTES)
    (tmp_path / "api-2.metrics").write_bytes(b"short")
    metrics = Metrics(process_file=take_process_file(tmp_path, "worker"), directory=tmp_path)
    assert scraped(metrics)["process_up", "api-1"] == 0
    mine = Metrics(process_file=take_process_file(tmp_path, "api"), directory=tmp_path)
    mine(Note("ledger.admitted", labels={"provider": "mock"}))
    assert scraped(mine)["admitted_total", "api-1", "mock"] == 1


def test_what_another_version_wrote_is_passed_over(tmp_path: Path) -> None:
    cells = SeriesFile(take_process_file(tmp_path, "api").file)
    name = PREFIX + "admitted_total"
    cells.take(SeriesKey(COUNTER, PREFIX + "not_yet_total", ("x",)), 1)[0] = 1
    cells.take(SeriesKey(COUNTER, name, ("mock", "one label more")), 1)[0] = 2
    cells.take(SeriesKey(COUNTER, PREFIX + "call_duration_seconds", ("mock", "ok")), 4)[0] = 3  # other buckets
    cells.take(SeriesKey(COUNTER, name, ("mock",)), 1)[0] = 4
    told = scraped(Metrics(directory=tmp_path))
    assert told["admitted_total", "api-1", "mock"] == 4
    assert not {"not_yet_total", "call_duration_seconds_sum"} & {key[0] for key in told}
    assert ("admitted_total", "api-1", "mock", "one label more") not in told


def test_a_second_scrape_shows_what_changed_since_the_first(tmp_path: Path) -> None:
    """A scrape keeps what it worked out of a series, but for the numbers."""
    reader = Metrics(directory=tmp_path)
    mine = Metrics(process_file=take_process_file(tmp_path, "api"), directory=tmp_path)
    for count in range(1, 4):
        mine(Note("ledger.admitted", labels={"provider": "mock"}))
        mine(Note("ledger.admitted", labels={"provider": f"new {count}"}))
        told = scraped(reader)
        assert told["admitted_total", "api-1", "mock"] == count
        assert told["admitted_total", "api-1", f"new {count}"] == 1
    (tmp_path / "api-1.metrics").unlink()
    other = Metrics(process_file=take_process_file(tmp_path, "api"), directory=tmp_path)
    other(Note("ledger.cancelled", labels={"provider": "mock"}))
    told = scraped(reader)
    assert told["cancelled_total", "api-1", "mock"] == 1
    assert ("admitted_total", "api-1", "mock") not in told


def test_a_scrape_of_many_processes_decodes_no_key_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding keys and joining labels was nine tenths of a scrape."""
    for number in range(20):
        metrics = Metrics(process_file=take_process_file(tmp_path, "worker-mock"), directory=tmp_path)
        metrics(Note("call.finished", labels={"provider": f"p{number}", "outcome": "ok"}, value=1))
    reader = Metrics(directory=tmp_path)
    first = reader.render()
    monkeypatch.setattr(SeriesKey, "decode", None)
    assert reader.render() == first
    assert first.count(b"llm_provider_calls_total{") == 20


def test_without_room_on_the_disk_it_counts_for_itself(tmp_path: Path) -> None:
    class Full:
        def seek(self, *_: int) -> int:
            return 0

        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

    cells = SeriesFile(Full())  # type: ignore[arg-type]
    key = SeriesKey(COUNTER, "m", ())
    cells.take(key, 1)[0] += 5
    assert [(SeriesKey.decode(text), *numbers) for text, numbers in cells] == [(key, 5.0)]


def test_a_process_that_counts_with_the_library_is_served_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    Counter("flower_events_total", "Events", registry=registry).inc()
    metrics = FlowerMetrics(registry)
    with listen("127.0.0.1", 0, setting="a test") as server:
        serve_on(metrics, server)
        base = url_of(server)

        def status(path: str) -> int:
            return get(base + path)[0]

        text = get(f"{base}/metrics")[1].decode()
        assert "flower_events_total 1.0" in text
        assert "llm_provider_build_info{" in text
        assert [status(path) for path in ("/healthz", "/readyz")] == [200, 200]
        monkeypatch.setattr("cli.flower.metrics.ALIVE_SECONDS", 0.05)
        poll(lambda: status("/healthz") == 503, what="the loop is seen to hang")
        monkeypatch.undo()
        metrics.alive()
        assert status("/healthz") == 200
