"""API keys: who may use the API, what each key may do, and how many requests a minute it may send."""
