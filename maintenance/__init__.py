"""Periodic duties: sweeps of the ledger, sending the outbox again, cost alerts, queue snapshots. Workers and API share
one wiring.
"""
