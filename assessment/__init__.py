"""Comparative judgement: ranks a set of essays from many comparisons of two. The numeric core has no I/O."""
