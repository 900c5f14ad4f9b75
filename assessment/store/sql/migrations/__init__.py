"""Migrations, by Alembic: what runs them, and versions/ with one file each.

Processes of the version before go on while a new one migrates: a new column is nullable or has a server default, and
none is renamed or removed before all processes can do without it.
"""
