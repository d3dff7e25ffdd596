"""Tocsin's compiler: domain files in, Prometheus, Alertmanager and Grafana configuration out."""
