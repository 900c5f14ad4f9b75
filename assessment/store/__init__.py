"""What an assessment stores, in SQLite or PostgreSQL. The only part of the assessment that knows SQL."""
