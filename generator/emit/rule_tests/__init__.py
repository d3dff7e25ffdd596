"""``prometheus/tests/<domain>.*.yml``: unit tests for promtool that prove every threshold that is emitted."""

from generator.emit.rule_tests.layout import Tested, emit, tested, untested

__all__ = ["Tested", "emit", "tested", "untested"]
