"""Paths that are not measured: exact ones, and all below one that ends in a slash."""

from collections.abc import Iterable


class Exclusions:
    """The paths of ``exclude_paths``.

    ``/health`` is that path alone, ``/static/`` all that begins with it; ``/`` is the home page, not everything.
    """

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, paths: Iterable[str]) -> None:
        if isinstance(paths, str):
            raise ValueError(f"exclude_paths is a list of paths, not the text {paths!r}")
        given = tuple(paths)
        if wrong := [path for path in given if not path.startswith("/")]:
            raise ValueError(f"a path begins with a slash, so nothing would match {wrong[0]!r}")
        self._exact = frozenset(path for path in given if path == "/" or not path.endswith("/"))
        self._prefixes = tuple(path for path in given if path != "/" and path.endswith("/"))

    def __contains__(self, path: str) -> bool:
        return path in self._exact or path.startswith(self._prefixes)
