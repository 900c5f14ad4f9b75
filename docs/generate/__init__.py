"""Writes what is generated in docs/: settings.md, errors.md, metrics.md, schemas/ and asyncapi.yaml."""
