"""The workers: a Celery queue and process per provider, the comparison, its result hook, gates and the custodian."""
