"""`umpire up`: the embedded stack with its servers and data directory."""
