"""LLM providers: one adapter per file behind one Protocol, the model manifest, and the parser of verdicts.

SDKs are imported in this package only, each by its own adapter, on that adapter's first call.
"""
