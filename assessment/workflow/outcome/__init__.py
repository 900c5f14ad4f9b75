"""What an assessment found: ranks, grades, and what is known about its judges."""
