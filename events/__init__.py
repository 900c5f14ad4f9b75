"""Events on Kafka: envelope and CloudEvents headers, one producer a process, the relay that clears the outbox, and the
best-effort lifecycle events.
"""
