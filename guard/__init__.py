"""What stands between a request and a provider: retries, deferrals, rate limits, circuit breakers and gates. Their
state is shared by all workers through Redis; what is decided from it is decided by pure functions.
"""
