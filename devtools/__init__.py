"""Servers and processes that tests, chaos and benchmarks share: Redis, Kafka, aimock. No part of the product."""
