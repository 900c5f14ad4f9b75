"""Protects providers (retries, deferrals, rate limits, circuit breakers, gates, holds) and the API (API keys). All
processes share their state through Redis; pure functions decide from it.
"""
