"""Builds the request to a provider: prompt, schema of the verdict, prompt cache, context window."""
