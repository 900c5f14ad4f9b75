"""Everything that happens when a request ends: the result event, the finisher, the outbox relay, delivery reports, dead
letters. Every process that ends a request uses it: workers, maintenance, and the API for cancellations.
"""
