"""The objects that the routes work with, created once per process."""

from dataclasses import dataclass

from starlette.requests import Request

from contracts.settings import Settings
from events.ender import Ender
from events.lifecycle import Lifecycle
from guard.authentication import Authenticator
from guard.availability import Availability
from ledger.completion import UnclaimedRequests
from ledger.ledger import Ledger
from ledger.replies import Replies
from ledger.spool import Spool
from providers.manifest import Manifest
from service.accept import Acceptance
from service.admission import Admission
from service.bodies import Bodies
from service.estimate import Estimate
from service.kafka_state import KafkaState
from service.stand_in import StandIn
from service.waits import Waits
from telemetry.metrics import Metrics
from telemetry.observer import Observer


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    observer: Observer
    metrics: Metrics
    manifest: Manifest
    authenticator: Authenticator
    admission: Admission
    bodies: Bodies
    acceptance: Acceptance
    spool: Spool
    ledger: Ledger
    replies: Replies
    waits: Waits
    availability: Availability
    estimate: Estimate
    kafka: KafkaState
    lifecycle: Lifecycle
    unstarted: UnclaimedRequests
    ender: Ender
    stand_in: StandIn


def parts_of(request: Request) -> Parts:
    parts: Parts = request.scope["app"].state.parts
    return parts
