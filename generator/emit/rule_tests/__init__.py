"""``prometheus/tests/<domain>.*.yml``: unit tests for promtool that prove every threshold that is emitted."""

from generator.emit.rule_tests.layout import emit, untested

__all__ = ["emit", "untested"]
