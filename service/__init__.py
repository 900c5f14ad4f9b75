"""The API: routes, admission, and waits for verdicts. It imports the ledger, the availability and the manifest of the
providers, but no task and no adapter.
"""
