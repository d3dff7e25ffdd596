"""Values to YAML text, for all emitters."""

from typing import Any

import ryaml


def dump(value: Any) -> bytes:
    """Serialise plain values in the order of their keys, as YAML 1.2; Go's readers take text for what it is, too."""
    return ryaml.dumps(value).encode()
