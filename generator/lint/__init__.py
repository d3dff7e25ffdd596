"""Lint of what was generated: what comes out is held to the same rules whoever wrote the input."""
