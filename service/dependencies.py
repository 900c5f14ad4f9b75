"""The objects that the routes use, created once per process."""

from dataclasses import dataclass

from starlette.requests import Request

from access.authenticator import Authenticator
from contracts.settings import Settings
from events.lifecycle import Lifecycle
from guard.availability import Availability
from ledger.completion import UnclaimedRequests
from ledger.ledger import Ledger
from ledger.replies import Replies
from ledger.spool import Spool
from maintenance.build import Maintenance
from providers.models.manifest import Manifest
from service.admission import Admission
from service.admit_or_spool import Acceptance
from service.estimate import Estimate
from service.kafka_state import KafkaState
from service.redelivery import Redelivery
from service.verdict_waits import VerdictWaits
from telemetry.metrics.metrics import Metrics
from telemetry.observer import Observer
from web.body_budget import BodyBudget


@dataclass(frozen=True, slots=True)
class Dependencies:
    settings: Settings
    observer: Observer
    metrics: Metrics
    manifest: Manifest
    authenticator: Authenticator
    admission: Admission
    body_budget: BodyBudget
    acceptance: Acceptance
    spool: Spool
    ledger: Ledger
    replies: Replies
    waits: VerdictWaits
    availability: Availability
    estimate: Estimate
    kafka: KafkaState
    lifecycle: Lifecycle
    unclaimed: UnclaimedRequests
    redelivery: Redelivery
    maintenance: Maintenance


def dependencies_of(request: Request) -> Dependencies:
    dependencies: Dependencies = request.scope["app"].state.dependencies
    return dependencies
