"""The API: routes, admission, and waiting for verdicts. It imports the ledger, the guard's view of the providers and
their manifest, but no task and no adapter.
"""
