"""What a deployment would tell people again: the output that is there against what was just compiled.

``deployed`` reads both as Prometheus and Alertmanager run them, ``instances`` infers the labels of what an expression
yields, ``comparison`` finds the alerts whose identity or way to people changes, ``attribution`` the lines that are why,
and ``warning`` says so, once for each line. The output that is there may be anything: what cannot be read says nothing.
"""

from generator.repaging.warning import warnings

__all__ = ["warnings"]
