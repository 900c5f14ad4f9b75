"""The Redis record of every accepted comparison: admission, leases, deferral, the outbox. The ledger is the truth; a
Celery message is only a pointer into it. Each step is one Lua script, one round trip.
"""
