"""Migrations, by Alembic: what runs them, and versions/ with one file each."""
