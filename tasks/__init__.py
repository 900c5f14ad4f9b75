"""The workers: Celery processes, each for one provider's queue, that run comparisons and the maintenance duties."""
