"""Keeps processes running: supervisor, parts with their logs and ports, and what a child gets from its parent."""
