"""Events on Kafka: envelope and CloudEvents headers, the producers, the relay that clears the outbox, best-effort
lifecycle events, and the maintenance duties.
"""
