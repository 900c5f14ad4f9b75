"""The gate of a worker process: whether it consumes from its queue, and the holds of its provider."""
