"""LLM providers: one adapter a file behind one Protocol, the model manifest, and what makes a verdict of an answer.

SDKs are imported here and nowhere else, each by its own adapter, on that adapter's first call.
"""
