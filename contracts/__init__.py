"""What goes over a wire: enums, models, the error tree, topic names and settings. Imports the standard library and
pydantic only.
"""
