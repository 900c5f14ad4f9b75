"""The tables of assessments. Those of assessment.workflow.state have one column for each field, in its order; what
follows them in a table, and all other tables, belongs to the store. Times are seconds since 1970.
"""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from assessment.store.sql.columns import CleanText, metadata, required


def _assessment(**options: bool) -> Column[object]:
    return Column("assessment_id", sa.Uuid, ForeignKey("assessments.id", ondelete="CASCADE"), nullable=False, **options)  # type: ignore[arg-type]


assessments = Table(
    "assessments",
    metadata,
    Column("id", sa.Uuid, primary_key=True),
    required("batch_id", CleanText),
    required("options", sa.JSON),
    required("created_at", sa.Double),
    required("state", sa.String(20)),
    required("revision", sa.Integer),
    required("version", sa.Integer),
    required("cancel_requested", sa.Boolean),
    Column("stop_reason", sa.String(20)),
    Column("error_code", sa.String(40)),
    required("chunks", sa.Integer),
    required("extended_chunk", sa.Integer),
    required("strengths", sa.JSON),
    required("graded", sa.JSON),
    required("progress_clock", sa.Double),
    required("arrival_clock", sa.Double),
    required("paused_seconds", sa.Double),
    Column("paused_at", sa.Double),
    Column("wake_at", sa.Double),
    Column("waiting_for", CleanText),
    Column("completed_at", sa.Double),
    required("billed", sa.Integer),
    # API key of the caller; null: it came by Kafka.
    Column("owner", CleanText),
    # The caller's batch id while the assessment has not ended: a second request for it finds this one.
    Column("open_key", CleanText, unique=True),
    # When the next step is due: at wake_at, or earlier since something has come; null: never.
    Column("due_at", sa.Double),
    # Until then another process is at that step.
    required("leased_until", sa.Double),
    # Its texts, justifications and names were erased.
    Column("erased_at", sa.Double),
)
Index("ix_assessments_due_at", assessments.c.due_at, postgresql_where=assessments.c.due_at.is_not(None))
Index("ix_assessments_owner_created_at", assessments.c.owner, assessments.c.created_at)

requests = Table(
    "requests",
    metadata,
    _assessment(primary_key=True),
    # The whole request as it came, never rewritten: an event's envelope, or an HTTP body.
    required("original", sa.JSON),
    required("source", sa.String(10)),
    required("correlation_id", sa.Uuid),
    Column("traceparent", CleanText),
)

#: Ids by which a repeated request is recognised: event ids and Idempotency-Keys.
request_keys = Table(
    "request_keys",
    metadata,
    Column("kind", sa.String(20), primary_key=True),
    Column("key", CleanText, primary_key=True),
    _assessment(),
    # Hash of the body, so that one key with two bodies is noticed.
    Column("digest", CleanText),
)
Index("ix_request_keys_assessment_id", request_keys.c.assessment_id)

judges = Table(
    "judges",
    metadata,
    _assessment(primary_key=True),
    Column("index", sa.Integer, primary_key=True, autoincrement=False),
    Column("provider", CleanText),
    Column("model", CleanText),
    Column("temperature", sa.Double),
    Column("reasoning_effort", CleanText),
    required("share", sa.Double),
    Column("estimated_cost_usd", sa.Double),
)

essays = Table(
    "essays",
    metadata,
    _assessment(primary_key=True),
    Column("index", sa.Integer, primary_key=True, autoincrement=False),
    required("essay_id", CleanText),
    required("text_status", sa.String(10)),
    Column("known_grade", CleanText),
    Column("words", sa.Integer),
    Column("error", CleanText),
    Column("text_storage_id", CleanText),
    Column("display_name", CleanText),
    # When its text is to be fetched; later while a process is at it; null: it is not to be fetched.
    Column("fetch_at", sa.Double),
    required("fetches", sa.Integer),
)
Index("ix_essays_fetch_at", essays.c.fetch_at, postgresql_where=essays.c.fetch_at.is_not(None))

#: Apart from the essays, so that a decision does not read them.
essay_texts = Table(
    "essay_texts",
    metadata,
    _assessment(primary_key=True),
    Column("index", sa.Integer, primary_key=True, autoincrement=False),
    required("text", CleanText),
)

rounds = Table(
    "rounds",
    metadata,
    _assessment(primary_key=True),
    Column("number", sa.Integer, primary_key=True, autoincrement=False),
    required("planned", sa.Integer),
    Column("scored_at", sa.Double),
    required("partial", sa.Boolean),
    Column("reliability", sa.Double),
    Column("score_change", sa.Double),
)

comparisons = Table(
    "comparisons",
    metadata,
    _assessment(primary_key=True),
    Column("number", sa.Integer, primary_key=True, autoincrement=False),
    required("round", sa.Integer),
    required("first", sa.Integer),
    required("second", sa.Integer),
    required("judge", sa.Integer),
    required("status", sa.String(10)),
    required("submissions", sa.Integer),
    required("attempts", sa.Integer),
    Column("chunk", sa.Integer),
    Column("submitted_clock", sa.Double),
    Column("expires_clock", sa.Double),
    Column("asked_clock", sa.Double),
    Column("first_won", sa.Boolean),
    Column("confidence", sa.Double),
    required("verdicts", sa.Integer),
    required("cost_usd", sa.Double),
    required("prompt_tokens", sa.BigInteger),
    required("completion_tokens", sa.BigInteger),
    Column("error_code", CleanText),
)

#: Requests to the comparison service, each with up to 200 comparisons. Never changed once sent, so that one that is
#: built again is the same.
chunks = Table(
    "chunks",
    metadata,
    _assessment(primary_key=True),
    Column("chunk", sa.Integer, primary_key=True, autoincrement=False),
    required("retry", sa.Boolean),
    required("created_at", sa.Double),
    # When it was first sent: its Idempotency-Key lapses some time after that.
    Column("sent_at", sa.Double),
    # When it is to be sent; later while a process is at it; null: it was answered.
    Column("due_at", sa.Double),
)
Index("ix_chunks_due_at", chunks.c.due_at, postgresql_where=chunks.c.due_at.is_not(None))

#: One row for each time that a comparison is part of a chunk: a callback is found by its correlation id.
submissions = Table(
    "submissions",
    metadata,
    Column("correlation_id", sa.Uuid, primary_key=True),
    _assessment(),
    required("number", sa.Integer),
    required("submission", sa.Integer),
    required("chunk", sa.Integer),
)
Index("ix_submissions_assessment_id_chunk", submissions.c.assessment_id, submissions.c.chunk)

#: Callbacks: at most one for each submission.
answers = Table(
    "answers",
    metadata,
    Column("correlation_id", sa.Uuid, primary_key=True),
    _assessment(),
    required("number", sa.Integer),
    required("submission", sa.Integer),
    Column("first_won", sa.Boolean),
    Column("confidence", sa.Double),
    Column("justification", CleanText),
    Column("error_code", CleanText),
    Column("error_reason", CleanText),
    Column("provider", CleanText),
    Column("model", CleanText),
    required("cost_usd", sa.Double),
    required("cost_known", sa.Boolean),
    required("prompt_tokens", sa.BigInteger),
    required("completion_tokens", sa.BigInteger),
    Column("requested_at", sa.Double),
    Column("completed_at", sa.Double),
    required("received_at", sa.Double),
)
Index("ix_answers_assessment_id_number", answers.c.assessment_id, answers.c.number)

#: Events to publish, as bytes that are built once.
outbox = Table(
    "outbox",
    metadata,
    # SQLite increments only a plain INTEGER automatically.
    Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    required("event_id", sa.Uuid),
    # Null: its request became no assessment.
    Column("assessment_id", sa.Uuid),
    required("topic", CleanText),
    required("key", CleanText),
    required("headers", sa.JSON),
    required("value", sa.LargeBinary),
    required("created_at", sa.Double),
    # When it is to be published; later while a process is at it; null: it was published.
    Column("due_at", sa.Double),
    Column("published_at", sa.Double),
    sa.UniqueConstraint("event_id"),
)
Index("ix_outbox_assessment_id", outbox.c.assessment_id)
Index("ix_outbox_due_at", outbox.c.due_at, postgresql_where=outbox.c.due_at.is_not(None))
