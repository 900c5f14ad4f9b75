"""`umpire flower`: Flower behind a password, read-only."""
