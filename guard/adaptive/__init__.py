"""Finds at run time how many calls a provider accepts, in flight and a second; its worker processes share them. It is
additive increase and multiplicative decrease (AIMD), as TCP does it. The constants were chosen by simulation:
tests/guard/adaptive/test_adaptive.py, docs/decisions/0013-adaptive-concurrency.md.
"""
