"""Route templates of Starlette and FastAPI, read after the call from what their routers left in the scope.

A router leaves the endpoint, mostly the route, and the outermost router, but no template: a route does not know what it
is mounted or included under. So the tree of routes is searched, once for each route that is hit; from then on a request
costs the same however many routes there are. Neither framework is imported: a route shows by its attributes what it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from exporters.instrument.interfaces import Scope

# Applications that make their endpoints anew for each request have no templates that could be remembered.
_MOST_ROUTES = 10_000
# Layers of middleware between a mount and the router that it mounts.
_MOST_LAYERS = 32


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a route or a mount is in the tree, and the template that it makes with the mounts above it."""

    template: str
    endpoint: Any
    mounts: tuple[Any, ...]
    route: Any
    # What a scope may call it: itself, and the route that FastAPI included.
    known_as: tuple[Any, ...]

    def matches(self, path: str) -> bool:
        for mount in self.mounts:
            found = mount.path_regex.match(path)
            if found is None:
                return False
            path = f"/{found['path']}"
        return self.route.path_regex.match(path) is not None


@dataclass(frozen=True, slots=True)
class _Known:
    """The places that one endpoint has; what it was found by is kept, so that no other object gets its identity."""

    places: tuple[_Place, ...]
    kept: tuple[Any, ...]


class Routes:
    """The templates that were hit so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], _Known] = {}

    def template(self, scope: Scope) -> str:
        """The template of the route that answered, with the application's root path; empty where none did."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return ""
        router, route = scope.get("router"), scope.get("route")
        known = self._known.get((id(router), id(route), id(endpoint)))
        places = (known or self._search(router, route, endpoint)).places
        if not places:
            return ""
        # Set by the first mount: the root path from before it.
        root = scope.get("app_root_path")
        if root is None:
            root = scope.get("root_path", "")
        template = places[0].template if len(places) == 1 else _chosen(places, path_below(scope["path"], root))
        return root.rstrip("/") + template if root else template

    def _search(self, router: Any, route: Any, endpoint: Any) -> _Known:
        if len(self._known) >= _MOST_ROUTES:
            return _Known((), ())
        found = [place for place in _below(getattr(router, "routes", ()), "", ()) if place.endpoint is endpoint]
        exact = [place for place in found if any(one is route for one in place.known_as)]
        # Between equal templates nothing has to be chosen.
        places = {place.template: place for place in reversed(exact or found)}
        known = _Known(tuple(reversed(places.values())), (router, route, endpoint))
        self._known[id(router), id(route), id(endpoint)] = known
        return known


def path_below(path: str, root: str) -> str:
    """A path without the root path that it begins with, as Starlette takes it off."""
    if not root or not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if not rest or rest.startswith("/") else path


def _chosen(places: tuple[_Place, ...], path: str) -> str:
    return next((place.template for place in places if place.matches(path)), places[0].template)


def _below(routes: Iterable[Any], prefix: str, mounts: tuple[Any, ...]) -> Iterator[_Place]:
    for route, known_as in _flat(routes):
        template = getattr(route, "path_format", None)
        endpoint = getattr(route, "endpoint", None)
        app = getattr(route, "app", None)
        if endpoint is not None:
            if template is not None:
                yield _Place(prefix + template, endpoint, mounts, route, known_as)
        elif app is not None and template is not None:
            # The mount itself answers where what is mounted has no routes, or none that matches.
            yield _Place(prefix + template, app, mounts, route, known_as)
            yield from _below(_inner(route), prefix + template.removesuffix("/{path}"), (*mounts, route))
        elif app is not None:
            # A host takes nothing off the path.
            yield from _below(_inner(route), prefix, mounts)


def _flat(routes: Iterable[Any]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Routes, with what a scope may call each; routers that FastAPI included are unrolled."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route, (route,)
            continue
        for context in contexts():
            effective = context.starlette_route or context
            yield effective, (effective, context.original_route)


def _inner(mount: Any) -> Iterable[Any]:
    """The routes of what is mounted, through layers of middleware."""
    routes, app = getattr(mount, "routes", None), mount.app
    for _ in range(_MOST_LAYERS):
        if routes or app is None:
            break
        routes, app = getattr(app, "routes", None), getattr(app, "app", None)
    return routes or ()
