"""`umpire up`: the embedded stack, and the supervisor that keeps its parts running."""
