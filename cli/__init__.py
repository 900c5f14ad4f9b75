"""The `umpire` command: starts the parts, keeps them running, and lets a person use them from a terminal."""
