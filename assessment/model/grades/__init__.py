"""Grades from anchors: an ordinal model on the scale of the strengths."""
