"""Classes of cursors that applications bring along (``ClientCursor``, ``RawCursor``, their own), measured."""

from typing import Any

_made: dict[tuple[type[Any], type[Any]], type[Any]] = {}


def measured_class(factory: type[Any], measured: type[Any]) -> type[Any]:
    """The class ``factory`` with the methods of ``measured`` before its own; made once."""
    if issubclass(factory, measured):
        return factory
    if issubclass(measured, factory):
        return measured
    if (factory, measured) not in _made:
        made = type(f"Monitored{factory.__name__}", (measured, factory), {"__module__": __name__})
        _made[factory, measured] = made
    return _made[factory, measured]
