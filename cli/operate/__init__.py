"""Commands for an operator of a running service: API keys, outbox, holds, models, topics."""
