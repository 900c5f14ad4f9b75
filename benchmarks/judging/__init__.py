"""Simulated classes and judges with known truth, and how well assessment/model finds it.

Run by `python -m benchmarks judging`.
"""
