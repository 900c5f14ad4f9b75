"""The demo's batch: chooses pairs of essays, submits them, and collects exactly one verdict for each."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np

from assessment.model.strengths.fit import BradleyTerryFit, fit_bradley_terry
from assessment.samples import INTENDED_ORDER, TOPIC, load_samples
from cli.client import ApiClient
from cli.failure import Failure
from cli.follow import Follower, Verdict
from cli.prompt import comparison_prompt
from cli.schedule import balanced_rounds
from contracts.enums import EssayComparisonWinner
from contracts.settings import KafkaSettings

#: 22 rounds of 6 pairs: 132 comparisons, 22 per essay, which is shown first in 11 of them.
_ROUNDS = 22
_SEED = 2026
#: Strengths, in logits, of the best and the worst essay: clear differences, but with some unexpected verdicts.
_BEST, _WORST = 2.4, -2.4
_TOPIC_NAME = "umpire.demo.verdicts.v1"
_ACCEPTED = 202
#: All verdicts must come within the first time; for the second time after that, surplus verdicts are watched for.
_PATIENCE_SECONDS, _AFTERMATH_SECONDS = 45.0, 1.0

Pair = tuple[int, int]


class Watcher(Protocol):
    """Shows the progress of a batch."""

    def accepted(self, count: int) -> None: ...
    def verdict(self, first: str, second: str, winner: str, event: Verdict) -> None: ...


@dataclass(frozen=True)
class Batch:
    names: Sequence[str]
    texts: Sequence[str]
    pairs: Sequence[Pair]

    @classmethod
    def of_samples(cls) -> "Batch":
        essays = load_samples()
        names = list(essays)
        stated = dict(zip(INTENDED_ORDER, np.linspace(_BEST, _WORST, len(INTENDED_ORDER)), strict=True))
        texts = [f"[strength={stated[name]:+.2f}]\n{essays[name]}" for name in names]
        return cls(names, texts, balanced_rounds(len(names), _ROUNDS, _SEED))

    def request(self, pair: Pair) -> dict[str, object]:
        first, second = pair
        return {
            "user_prompt": comparison_prompt(self.texts[first], self.texts[second], f"The question was: {TOPIC}"),
            "callback_topic": _TOPIC_NAME,
            "metadata": {"essay_a_id": self.names[first], "essay_b_id": self.names[second]},
        }

    def fit(self, winners: Sequence[int]) -> BradleyTerryFit:
        """`winners`: the winning essay of each pair."""
        outcomes = [
            (winner, second if winner == first else first)
            for winner, (first, second) in zip(winners, self.pairs, strict=True)
        ]
        return fit_bradley_terry(len(self.names), outcomes, [first for first, _ in self.pairs])


def judge_all(batch: Batch, api: str, kafka: KafkaSettings, view: Watcher, leaving: threading.Event) -> list[int]:
    """Submit every pair and return its winner. Raises Failure unless each has exactly one verdict."""
    follower = Follower(kafka, _TOPIC_NAME)
    try:
        accepted = _submit(batch, api, view)
        events = _collect(follower, accepted, batch, view, leaving)
    finally:
        follower.close()
    by_pair = {accepted[request_id]: event for request_id, event in events.items()}
    return [_winner(batch.pairs[index], by_pair[index]) for index in range(len(batch.pairs))]


def _submit(batch: Batch, api: str, view: Watcher) -> dict[str, int]:
    """Queue id → index of its pair."""
    accepted: dict[str, int] = {}
    client = ApiClient(api)
    try:
        for index, pair in enumerate(batch.pairs):
            answer = client.compare(batch.request(pair), prefer="respond-async")
            if answer.status != _ACCEPTED:
                raise Failure(f"the API refused a comparison: {answer.status} {answer.body.get('detail', '')}")
            accepted[str(answer.body["queue_id"])] = index
            view.accepted(len(accepted))
    finally:
        client.close()
    return accepted


def _collect(
    follower: Follower, accepted: Mapping[str, int], batch: Batch, view: Watcher, leaving: threading.Event
) -> dict[str, Verdict]:
    """Request id → its event. Repeated deliveries of one event count once. Raises Failure on missing or extra ones."""
    events: dict[str, Verdict] = {}
    seen: dict[UUID, Verdict] = {}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for event in follower.events(deadline):
        if leaving.is_set():
            raise Failure("interrupted")
        if event is not None and event.event_id not in seen:
            seen[event.event_id] = event
            _count(event, accepted, events)
            first, second = (batch.names[essay] for essay in batch.pairs[accepted[event.data.request_id]])
            winner = first if event.data.winner is EssayComparisonWinner.ESSAY_A else second
            view.verdict(first, second, winner, event)
            if len(events) == len(accepted):
                deadline = time.monotonic() + _AFTERMATH_SECONDS
        if len(events) == len(accepted) and time.monotonic() > deadline:
            break
    if len(events) == len(accepted):
        return events
    raise Failure(f"{len(events)} verdicts for {len(accepted)} accepted comparisons after {_PATIENCE_SECONDS:g} s")


def _count(event: Verdict, accepted: Mapping[str, int], events: dict[str, Verdict]) -> None:
    request_id, error = event.data.request_id, event.data.error_detail
    if request_id not in accepted:
        raise Failure(f"a verdict came for {request_id}, which was never accepted")
    if request_id in events:
        raise Failure(f"two different verdicts came for {request_id}")
    if error is not None:
        raise Failure(f"a comparison ended in {error.error_code.value}: {error.message}")
    events[request_id] = event


def _winner(pair: Pair, event: Verdict) -> int:
    return pair[0] if event.data.winner is EssayComparisonWinner.ESSAY_A else pair[1]
