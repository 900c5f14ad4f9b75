"""Finds at run time how many calls in flight, and how many starts a second, a provider accepts. All worker processes of
a provider share what they find.
"""
