"""The routes of the API, the scope that each needs, and their description in OpenAPI."""
