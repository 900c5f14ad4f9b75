"""Kafka plumbing that knows no ledger: producers, envelope and CloudEvents headers, best-effort lifecycle events."""
