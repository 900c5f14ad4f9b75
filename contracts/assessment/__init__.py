"""What the assessment receives and publishes: the request event, the result events, the metadata of a comparison.

The API and the workers of the comparison service import none of it.
"""
