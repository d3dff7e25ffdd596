"""``python -m exporters`` is ``tocsin-exporter``."""

from exporters.cli import main

main()
