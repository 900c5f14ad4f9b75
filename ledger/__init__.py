"""The Redis record of every accepted comparison: admission, leases, deferral, the outbox. The ledger alone says what
state a request is in; a Celery message is only a pointer into it. Each step is one Lua script, one round trip.
"""
