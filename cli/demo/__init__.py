"""`umpire demo`: ranks sample essays on a temporary stack."""
