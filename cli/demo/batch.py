"""The demo's batch: chooses pairs of essays, submits them, and collects exactly one verdict for each."""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np

from assessment.model.strengths.fit import BradleyTerryFit, fit_bradley_terry
from assessment.samples import INTENDED_ORDER, TOPIC, load_samples
from cli.client.api_client import ApiClient
from cli.client.follow import Follower, Verdict
from cli.client.prompt import balanced_rounds, comparison_prompt
from cli.failure import Failure
from contracts.enums import EssayComparisonWinner
from contracts.settings import KafkaSettings

if TYPE_CHECKING:
    from cli.demo.command import BatchView

#: 22 rounds of 6 pairs: 132 comparisons, 22 per essay, which is shown first in 11 of them.
_ROUNDS = 22
_SEED = 2026
#: Strengths, in logits, of the best and the worst essay: clear differences, but with some unexpected verdicts.
_BEST, _WORST = 2.4, -2.4
_TOPIC_NAME = "umpire.demo.verdicts.v1"
#: All verdicts must come within the first time; for the second time after that, a surplus verdict is an error.
_LONGEST_WAIT_SECONDS, _AFTERMATH_SECONDS = 45.0, 1.0

Pair = tuple[int, int]


@dataclass(frozen=True)
class Batch:
    names: Sequence[str]
    texts: Sequence[str]
    pairs: Sequence[Pair]

    @classmethod
    def of_samples(cls) -> "Batch":
        essays = load_samples()
        names = list(essays)
        strengths = dict(zip(INTENDED_ORDER, np.linspace(_BEST, _WORST, len(INTENDED_ORDER)), strict=True))
        texts = [f"[strength={strengths[name]:+.2f}]\n{essays[name]}" for name in names]
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


def judge_all(batch: Batch, api: str, kafka: KafkaSettings, view: "BatchView", leaving: threading.Event) -> list[int]:
    """Submit every pair and return its winner. Raises Failure unless each has exactly one verdict."""
    with closing(Follower(kafka, _TOPIC_NAME)) as follower:
        accepted = _submit(batch, api, view)
        events = _collect(follower, accepted, batch, view, leaving)
    return [_sides(batch.pairs[index], events[request_id])[0] for request_id, index in accepted.items()]


def _submit(batch: Batch, api: str, view: "BatchView") -> dict[str, int]:
    """Queue id → index of its pair, in the order of the pairs."""
    accepted: dict[str, int] = {}
    with closing(ApiClient(api)) as client:
        for index, pair in enumerate(batch.pairs):
            answer = client.compare(batch.request(pair), prefer="respond-async")
            if answer.status != HTTPStatus.ACCEPTED:
                raise Failure(f"the API refused a comparison: {answer.status} {answer.body.get('detail', '')}")
            accepted[str(answer.body["queue_id"])] = index
            view.accepted(len(accepted))
    return accepted


def _collect(
    follower: Follower, accepted: Mapping[str, int], batch: Batch, view: "BatchView", leaving: threading.Event
) -> dict[str, Verdict]:
    """Request id → its event. Repeated deliveries of one event count once. Raises Failure on missing or extra ones."""
    events: dict[str, Verdict] = {}
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    for event in follower.events(deadline):
        if leaving.is_set():
            raise Failure("interrupted")
        if event is not None and _is_new(event, accepted, events):
            events[event.data.request_id] = event
            winner, loser = _sides(batch.pairs[accepted[event.data.request_id]], event)
            view.verdict(batch.names[winner], batch.names[loser], event.data.confidence or 0)
            if len(events) == len(accepted):
                deadline = time.monotonic() + _AFTERMATH_SECONDS
        if len(events) == len(accepted) and time.monotonic() > deadline:
            break
    if len(events) == len(accepted):
        return events
    raise Failure(f"{len(events)} verdicts for {len(accepted)} accepted comparisons after {_LONGEST_WAIT_SECONDS:g} s")


def _is_new(event: Verdict, accepted: Mapping[str, int], events: Mapping[str, Verdict]) -> bool:
    """Raises Failure for an event that breaks a promise, or holds an error."""
    request_id, error = event.data.request_id, event.data.error_detail
    if request_id not in accepted:
        raise Failure(f"a verdict came for {request_id}, which was never accepted")
    if error is not None:
        raise Failure(f"a comparison ended in {error.error_code.value}: {error.message}")
    known = events.get(request_id)
    if known is not None and known.event_id != event.event_id:
        raise Failure(f"two different verdicts came for {request_id}")
    return known is None


def _sides(pair: Pair, event: Verdict) -> Pair:
    """The winning essay and the losing one."""
    first, second = pair
    return (first, second) if event.data.winner is EssayComparisonWinner.ESSAY_A else (second, first)
