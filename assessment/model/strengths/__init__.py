"""Strengths from verdicts: the Bradley–Terry model with order effects, graded answers and an estimated prior."""
