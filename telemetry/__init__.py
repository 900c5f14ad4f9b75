"""Logs and metrics behind one small observer, so that no core file imports a metrics or logging library."""
