"""`umpire api` and `umpire worker`: processes of the service, one or several under a supervisor."""
