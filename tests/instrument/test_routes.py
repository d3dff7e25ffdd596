"""The route of each request, as FastAPI's and Starlette's routers know it, whole and below every mount."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from exporters.instrument import instrument_asgi
from exporters.instrument.interfaces import ASGIApplication, Receive, Scope, Send
from tests.instrument.calls import answering, ask, body, start
from tests.instrument.measured import Kind, Measured
from tests.programs import run


def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


async def opaque(scope: Scope, receive: Receive, send: Send) -> None:
    await answering(start(), body(b"opaque"))(scope, receive, send)


def starlette() -> Starlette:
    inner = [Route("/x/{a}", page), Route("/", page)]
    twice = Starlette(routes=inner)
    return Starlette(
        routes=[
            Route("/", page),
            Route("/items/{item:int}", page, methods=["GET", "PUT"]),
            Mount("/sub", app=Starlette(routes=inner)),
            Mount("/{tenant}/area", app=Router(routes=inner)),
            Mount("/deep", routes=[Mount("/er", routes=[Route("/y/{b}", page)])]),
            Mount("/one", app=twice),
            Mount("/two", app=twice),
            Mount("/wrapped", app=CORSMiddleware(Starlette(routes=[Route("/z/{c}", page)]), allow_origins=["*"])),
            Mount("/static", app=StaticFiles(directory=Path(__file__).parent)),
            Mount("/opaque", app=opaque),
            Host("{where}.example", app=Router(routes=[Route("/there/{d}", page)])),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))],
    )


def fastapi() -> FastAPI:
    app = FastAPI()
    router, inside, sub = APIRouter(), APIRouter(), FastAPI()

    @router.get("/items/{item}")
    @inside.put("/parts/{part}")
    @sub.get("/x/{a}")
    def item() -> str:
        return "item"

    router.include_router(inside, prefix="/inside")
    router.add_route("/raw/{r}", page)
    router.mount("/under", sub)
    app.get("/same/{g}")(item)
    app.post("/same/{p}")(item)
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    app.get("/plain/{p:path}")(item)
    app.mount("/sub", sub)
    app.mount("/{tenant}/area", sub)
    app.mount("/starlette", starlette())
    return app


CASES: list[tuple[Callable[[], ASGIApplication], str, str, str, str]] = [
    (starlette, "GET", "/", "/", "200"),
    (starlette, "GET", "/items/5", "/items/{item}", "200"),
    (starlette, "HEAD", "/items/5", "/items/{item}", "200"),
    (starlette, "POST", "/items/5", "/items/{item}", "405"),
    (starlette, "GET", "/items/five", "", "404"),
    (starlette, "GET", "/items/5/", "", "307"),
    (starlette, "GET", "/sub/x/1", "/sub/x/{a}", "200"),
    (starlette, "GET", "/sub/", "/sub/", "200"),
    (starlette, "GET", "/sub/nothing", "/sub/{path}", "404"),
    (starlette, "GET", "/acme/area/x/1", "/{tenant}/area/x/{a}", "200"),
    (starlette, "GET", "/deep/er/y/1", "/deep/er/y/{b}", "200"),
    (starlette, "GET", "/one/x/1", "/one/x/{a}", "200"),
    (starlette, "GET", "/two/x/1", "/two/x/{a}", "200"),
    (starlette, "GET", "/wrapped/z/1", "/wrapped/z/{c}", "200"),
    (starlette, "GET", "/static/calls.py", "/static/{path}", "200"),
    (starlette, "GET", "/static/none.py", "/static/{path}", "404"),
    (starlette, "GET", "/opaque/a/b/c", "/opaque/{path}", "200"),
    (starlette, "GET", "/nothing", "", "404"),
    (fastapi, "GET", "/v1/items/5", "/v1/items/{item}", "200"),
    (fastapi, "GET", "/v2/items/5", "/v2/items/{item}", "200"),
    (fastapi, "PUT", "/v1/inside/parts/5", "/v1/inside/parts/{part}", "200"),
    (fastapi, "PUT", "/v2/inside/parts/5", "/v2/inside/parts/{part}", "200"),
    (fastapi, "POST", "/v2/items/5", "/v2/items/{item}", "405"),
    (fastapi, "GET", "/plain/a/b", "/plain/{p}", "200"),
    (fastapi, "GET", "/same/5", "/same/{g}", "200"),
    (fastapi, "POST", "/same/5", "/same/{p}", "200"),
    (fastapi, "GET", "/v1/raw/5", "/v1/raw/{r}", "200"),
    (fastapi, "GET", "/v2/raw/5", "/v2/raw/{r}", "200"),
    (fastapi, "GET", "/v2/under/x/5", "/v2/under/x/{a}", "200"),
    (fastapi, "GET", "/docs", "/docs", "200"),
    (fastapi, "GET", "/sub/x/1", "/sub/x/{a}", "200"),
    (fastapi, "GET", "/sub/openapi.json", "/sub/openapi.json", "200"),
    (fastapi, "GET", "/acme/area/x/1", "/{tenant}/area/x/{a}", "200"),
    (fastapi, "GET", "/sub/nothing", "/sub/{path}", "404"),
    (fastapi, "GET", "/starlette/sub/x/1", "/starlette/sub/x/{a}", "200"),
    (fastapi, "GET", "/nothing", "", "404"),
    (lambda: opaque, "GET", "/anything/5", "", "200"),
]


@pytest.mark.parametrize(("make", "method", "path", "route", "status"), CASES, ids=[
    f"{case[0].__name__}-{case[1]}-{case[2]}" for case in CASES
])  # fmt: skip
def test_a_request_is_counted_with_the_whole_template_of_its_route(
    make: Callable[[], ASGIApplication], method: str, path: str, route: str, status: str
) -> None:
    registry = CollectorRegistry()
    app = instrument_asgi(make(), service_name="shop", registry=registry)
    # The second finds what the first remembered.
    for _ in range(2):
        ask(app, path, method)
    assert Measured.of(registry).counts() == {Kind(method, route, status): 2}


def test_one_application_with_all_routes_keeps_them_apart() -> None:
    registry = CollectorRegistry()
    app = instrument_asgi(fastapi(), service_name="shop", registry=registry)
    mine = [case[1:] for case in CASES if case[0] is fastapi]
    for method, path, _, _ in mine * 3:
        ask(app, path, method)
    expected = {Kind(method, route, status): 0.0 for method, _, route, status in mine}
    for method, _, route, status in mine:
        expected[Kind(method, route, status)] += 3
    assert Measured.of(registry).counts() == expected


def test_a_host_takes_nothing_off_the_path() -> None:
    registry = CollectorRegistry()
    app = instrument_asgi(starlette(), service_name="shop", registry=registry)
    ask(app, "/there/5", headers=[(b"host", b"here.example")])
    assert Measured.of(registry).counts() == {Kind("GET", "/there/{d}"): 1}


@pytest.mark.parametrize("path", ["/api/v1/items/5", "/v1/items/5"], ids=["kept by the proxy", "taken off"])
def test_the_root_path_of_the_application_is_part_of_its_routes(path: str) -> None:
    registry = CollectorRegistry()
    app = instrument_asgi(fastapi(), service_name="shop", registry=registry, exclude_paths=["/docs"])
    ask(app, path, root_path="/api")
    ask(app, "/api/sub/x/1", root_path="/api")
    ask(app, "/api/docs", root_path="/api")
    assert Measured.of(registry).counts() == {Kind("GET", "/api/v1/items/{item}"): 1, Kind("GET", "/api/sub/x/{a}"): 1}


def test_as_a_middleware_of_the_framework_it_measures_the_same() -> None:
    registry = CollectorRegistry()
    app = fastapi()
    app.add_middleware(instrument_asgi, service_name="shop", registry=registry)
    ask(app, "/v1/items/5")
    ask(app, "/sub/x/1")
    assert Measured.of(registry).counts() == {Kind("GET", "/v1/items/{item}"): 1, Kind("GET", "/sub/x/{a}"): 1}


def test_a_mounted_application_that_is_instrumented_too_is_measured_once() -> None:
    registry = CollectorRegistry()
    inner = instrument_asgi(Starlette(routes=[Route("/x/{a}", page)]), service_name="shop", registry=registry)
    outer = Starlette(routes=[Mount("/sub", app=inner)])
    app = instrument_asgi(outer, service_name="shop", registry=registry, exclude_paths=["/sub/x/excluded"])
    ask(app, "/sub/x/1")
    ask(app, "/sub/x/excluded")
    assert Measured.of(registry).counts() == {Kind("GET", "/sub/x/{a}"): 1}


def test_no_framework_is_imported() -> None:
    code = "import sys, exporters.instrument; print(sorted({'starlette', 'fastapi', 'flask'} & set(sys.modules)))"
    assert run(sys.executable, "-c", code).strip() == "[]"
