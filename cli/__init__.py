"""The `umpire` command: starts the service's processes, keeps them running, and operates them from a terminal."""
