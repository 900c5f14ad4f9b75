"""The front door: routes, admission, and the wait for an answer. It knows the ledger, the guard's view of the
providers and their manifest; no task and no adapter.
"""
