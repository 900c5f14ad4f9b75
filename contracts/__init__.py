"""What processes exchange, and their settings: enums, models, the error tree, topic names. Imports the standard library
and pydantic only.
"""
