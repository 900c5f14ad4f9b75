"""The HTTP server layer: the connection, the ASGI stack, authentication, bodies and problems. It knows no ledger."""
