"""What stands between a request and a provider: retries, deferrals, rate limits, circuit breakers and gates; and what
stands between a caller and the door: API keys. Their state is shared by all processes through Redis; what is decided
from it is decided by pure functions.
"""
