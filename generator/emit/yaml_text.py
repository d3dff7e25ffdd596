"""Values to YAML text, for all emitters."""

from typing import Any

import ryaml
import yaml


def dump(value: Any) -> bytes:
    """Serialise plain values in the order of their keys, as YAML 1.2; Go's readers take text for what it is, too."""
    return ryaml.dumps(value).encode()


def dump_for_any_reader(value: Any) -> bytes:
    """The same for readers of YAML 1.1 as well, such as PyYAML, which takes ``on`` for true and ``12:30`` for 750."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000).encode()


class _Dumper(yaml.SafeDumper):
    """Quotes what either version takes for anything but text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = ryaml.dumps(text).strip() == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _text)
