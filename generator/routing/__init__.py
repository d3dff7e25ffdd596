"""Who is told: Alertmanager's own decisions, worked out for a configuration, an alert's labels and a time.

``patterns``, ``matchers``, ``intervals``, ``inhibition``, ``tree``, ``evaluation`` and ``notification_log`` know
Alertmanager alone and take its configuration as plain values; ``steps`` brings the plan's escalations to them;
``table`` and ``picture`` show what comes out. What Alertmanager does is read from its source at v0.25.0, and held
against the program by tests.
"""
