"""What all parts of the configuration are made of: blocks of plain values."""

Block = dict[str, object]
