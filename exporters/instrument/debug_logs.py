"""Debug logs by the variable ``DEBUG``, in the way of npm's ``debug``: ``DEBUG=shop:*,-shop:cache``.

Names there are the application's: ``shop:http`` is the logger of this library's HTTP part and the application's own
logger ``shop.http``. A name covers what is below it, as Python's loggers do.
"""

import logging
import os
import re
import time
from collections.abc import Iterator

_LIBRARY = "exporters.instrument"
_NAMESPACE = re.compile(r"\w[\w-]*(?:[.:][\w-]+)*")
_SEPARATORS = re.compile(r"[\s,]+")


def debug_logs(namespace: str) -> None:
    """Turn on what ``DEBUG`` asks for under an application's name, and have it shown on stderr if nothing else does.

    Loggers that are made later are reached where one above them is meant. Where ``DEBUG`` is unset, or means others,
    nothing changes; nor by a second call.

    ``namespace``: the application's name, and that of its loggers, ``shop``.

    Raises:
        ValueError: the namespace is no such name.
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise ValueError(f"{namespace!r} is no name of an application's loggers")
    application = namespace.replace(":", ".")
    words = [word.replace(".", ":") for word in _SEPARATORS.split(os.environ.get("DEBUG", "")) if word]
    wanted = [word.removesuffix(":*") for word in words if not word.startswith("-")]
    unwanted = [word[1:].removesuffix(":*") for word in words if word.startswith("-")]
    names = sorted({*_loggers(application), *_named(application, [*wanted, *unwanted])})
    chosen = [name for name in names if _matches(_shown(name, application), wanted)]
    excluded = {name for name in chosen if _matches(_shown(name, application), unwanted)}
    if len(excluded) == len(chosen):
        return
    before = {name: logging.getLogger(name).getEffectiveLevel() for name in excluded}
    for name in chosen:
        logger = logging.getLogger(name)
        if name in excluded:
            if logger.level == logging.NOTSET:
                logger.setLevel(before[name])
        elif logger.getEffectiveLevel() > logging.DEBUG:
            logger.setLevel(logging.DEBUG)
    for name in (application, _LIBRARY):
        if not any(isinstance(handler, _ToStderr) for handler in _handlers(name)):
            logging.getLogger(name).addHandler(_ToStderr(application))


class _ToStderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Shows what no other handler would, be it one that the service sets up later."""

    def __init__(self, application: str) -> None:
        super().__init__()
        self.setFormatter(_Line(application))

    def filter(self, record: logging.LogRecord) -> bool:
        handlers = list(_handlers(record.name))
        others = [one for one in handlers if not isinstance(one, _ToStderr | logging.NullHandler)]
        if any(record.levelno >= other.level for other in others):
            return False
        # Two namespaces may lie within each other.
        nearest = next(one for one in handlers if isinstance(one, _ToStderr))
        return nearest is self and super().filter(record)


class _Line(logging.Formatter):
    def __init__(self, application: str) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(debug_name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._application = application

    def format(self, record: logging.LogRecord) -> str:
        shown = _shown(record.name, self._application)
        if record.name.startswith(_LIBRARY):
            # The part is what is asked for; its modules are its own affair.
            shown = ":".join(shown.split(":")[: self._application.count(".") + 2])
        record.debug_name = shown
        return super().format(record)


def _handlers(name: str) -> Iterator[logging.Handler]:
    """The handlers that a record of a logger comes to."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _loggers(application: str) -> Iterator[str]:
    """The loggers that there are: the application's, and this library's."""
    yield from (application, _LIBRARY)
    below = (f"{application}.", f"{_LIBRARY}.")
    yield from (name for name in list(logging.root.manager.loggerDict) if name.startswith(below))


def _named(application: str, patterns: list[str]) -> Iterator[str]:
    """The loggers that patterns name without a wildcard, be they there yet or not."""
    prefix = f"{application.replace('.', ':')}:"
    for pattern in patterns:
        if "*" not in pattern and pattern.startswith(prefix) and _NAMESPACE.fullmatch(pattern):
            rest = pattern.removeprefix(prefix).replace(":", ".")
            yield from (f"{application}.{rest}", f"{_LIBRARY}.{rest}")


def _shown(name: str, application: str) -> str:
    """A logger's name as ``DEBUG`` has it."""
    if name == _LIBRARY or name.startswith(f"{_LIBRARY}."):
        name = application + name.removeprefix(_LIBRARY)
    return name.replace(".", ":")


def _matches(shown: str, patterns: list[str]) -> bool:
    """Whether one of the patterns is a name, or one above it."""
    parts = shown.split(":")
    names = [":".join(parts[:number]) for number in range(1, len(parts) + 1)]
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) for pattern in patterns for name in names
    )
