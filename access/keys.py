"""Redis keys of this package. authenticate.lua builds the same names; this file lists them. ledger/keys.py lists an API
key's own hash, because the ledger's scripts read its quotas.

umpire:rate:<key id>              string when (µs) an API key has its whole rate again: see authenticate.lua
"""
