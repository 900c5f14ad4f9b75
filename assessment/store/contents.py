"""The built-in content store: a text's id is made of its bytes, and each API key has its own."""

from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import select

from assessment.store.sql import library_tables
from assessment.store.sql.database import Database
from assessment.store.sql.statements import insert_new


class StoredContent(NamedTuple):
    content_type: str
    body: bytes


def content_id(body: bytes) -> str:
    return sha256(body).hexdigest()[:32]


class ContentStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, owner: str | None, body: bytes, *, content_type: str, now: float) -> str:
        """Store the bytes, if they are not there. Returns their id: 32 hexadecimal digits."""
        its_id = content_id(body)
        row = {"owner": owner or "", "id": its_id, "content_type": content_type, "body": body, "created_at": now}
        async with self._database.transaction() as connection:
            await insert_new(connection, library_tables.contents, [row])
        return its_id

    async def get(self, owner: str | None, its_id: str) -> StoredContent | None:
        table = library_tables.contents
        where = (table.c.owner == (owner or ""), table.c.id == its_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(table.c.content_type, table.c.body).where(*where))).one_or_none()
        return None if row is None else StoredContent(*row)
