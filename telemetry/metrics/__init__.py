"""Prometheus metrics of several processes: families, the table of all metrics, series in files that processes share."""
