"""Protects providers: retries, deferrals, rate limits, circuit breakers, gates and holds. All processes share their
state through Redis; pure functions decide from it.
"""
