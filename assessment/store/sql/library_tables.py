"""The tables that assessments share: assignments with their anchors, the built-in content store, secrets."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Table

from assessment.store.sql.columns import CleanText, metadata, required

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", CleanText, primary_key=True),
    required("instructions", CleanText),
    Column("student_prompt", CleanText),
    Column("rubric", CleanText),
    # A name, or a list of grades from low to high.
    required("grade_scale", sa.JSON),
    required("context_origin", CleanText),
    Column("title", CleanText),
    # Settings of its assessments that differ from the environment's.
    required("overrides", sa.JSON),
    required("created_at", sa.Double),
    required("updated_at", sa.Double),
)

anchors = Table(
    "anchors",
    metadata,
    Column("anchor_id", sa.Uuid, primary_key=True),
    Column("assignment_id", CleanText, ForeignKey("assignments.assignment_id", ondelete="CASCADE"), nullable=False),
    Column("label", CleanText),
    required("grade", CleanText),
    required("storage_id", CleanText),
    required("text", CleanText),
    required("created_at", sa.Double),
    sa.UniqueConstraint("assignment_id", "label"),
)

#: The built-in content store.
contents = Table(
    "contents",
    metadata,
    # API key that stored it; empty: none.
    Column("owner", CleanText, primary_key=True),
    Column("id", sa.String(32), primary_key=True),
    required("content_type", CleanText),
    required("body", sa.LargeBinary),
    required("created_at", sa.Double),
)

#: Random values that all processes of an installation share.
secrets = Table(
    "secrets",
    metadata,
    Column("name", CleanText, primary_key=True),
    required("value", sa.LargeBinary),
)
