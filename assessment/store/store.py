"""All of the store, put together."""

import secrets

from sqlalchemy import select

from assessment.store.assessments import Assessments
from assessment.store.assignments import Assignments
from assessment.store.callbacks import Callbacks
from assessment.store.chunks import SubmissionChunks
from assessment.store.contents import ContentStore
from assessment.store.essay_texts import EssayTexts
from assessment.store.outbox import EventOutbox
from assessment.store.overview import Overview
from assessment.store.sql import library_tables
from assessment.store.sql.database import Database
from assessment.store.sql.statements import insert_new

#: Bytes of a secret.
_SECRET_BYTES = 32


class AssessmentStore:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.assessments = Assessments(database)
        self.callbacks = Callbacks(database)
        self.chunks = SubmissionChunks(database)
        self.texts = EssayTexts(database)
        self.outbox = EventOutbox(database)
        self.assignments = Assignments(database)
        self.contents = ContentStore(database)
        self.overview = Overview(database)

    async def secret(self, name: str) -> bytes:
        """Random bytes, the same in all processes of this installation and after each restart."""
        table = library_tables.secrets
        async with self.database.transaction() as connection:
            await insert_new(connection, table, [{"name": name, "value": secrets.token_bytes(_SECRET_BYTES)}])
            value: bytes = (await connection.execute(select(table.c.value).where(table.c.name == name))).scalar_one()
        return value
