"""What all tables are made with."""

import sqlalchemy as sa
from sqlalchemy import Column


class CleanText(sa.TypeDecorator[str]):
    """Text from anywhere. PostgreSQL has no NUL in texts: it becomes U+FFFD, the replacement character."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - its signature
        return value.replace("\0", "\ufffd") if value and "\0" in value else value


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def required(name: str, kind: object) -> Column[object]:
    return Column(name, kind, nullable=False)  # type: ignore[arg-type]
