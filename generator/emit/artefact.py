"""What an emitter yields: one file of the output."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artefact:
    """A file: its place below ``output/<platform>/`` with forward slashes, and its bytes."""

    path: str
    content: bytes
