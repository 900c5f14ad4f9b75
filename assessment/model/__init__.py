"""The model of comparative judgement: pure functions over NumPy arrays, without I/O.

strengths/ fits strengths to verdicts, pairing/ chooses which essays to compare next, stop.py decides when to stop,
grades/ predicts grades from anchors, diagnostics/ describes the judges and the data. docs/judging.md explains the
statistics.
"""
