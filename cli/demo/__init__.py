"""`umpire demo`: ranks sample essays on a stack of its own."""
