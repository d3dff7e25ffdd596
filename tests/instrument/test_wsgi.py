"""One exchange after the other over WSGI, with Flask and without."""

from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from flask import Blueprint, Flask, Response, abort, request
from prometheus_client import CollectorRegistry
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from exporters.instrument import instrument_wsgi
from tests.instrument.calls import call, environ
from tests.instrument.measured import DURATION, RECEIVED, SENT, Kind, Measured


class Refused(Exception):
    """An exception with a module."""


NAME = f"{__name__}.Refused"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def measured(app: WSGIApplication, registry: CollectorRegistry, **options: Any) -> WSGIApplication:
    return instrument_wsgi(app, service_name="shop", registry=registry, **options)


def shop() -> Flask:
    app = Flask("shop", static_folder=None)
    area = Blueprint("area", __name__, url_prefix="/area")

    @app.route("/items/<int:item>", methods=["GET", "PUT"])
    def item(item: int) -> str:
        return f"{item:05}"

    @area.route("/x/<a>")
    def inside(a: str) -> str:
        return a

    @app.route("/raises")
    def raises() -> str:
        raise Refused("no")

    @app.route("/aborts")
    def aborts() -> str:
        abort(503)

    @app.route("/handled")
    def handled() -> str:
        raise LookupError("no")

    @app.errorhandler(LookupError)
    def take(error: Exception) -> tuple[str, int]:
        return "no", 404

    @app.route("/echo", methods=["POST"])
    def echo() -> str:
        return str(len(request.get_data()))

    @app.route("/stream")
    def stream() -> Response:
        return Response((b"x" * 1000 for _ in range(5)), mimetype="text/plain")

    app.register_blueprint(area)
    app.register_blueprint(area, url_prefix="/other", name="other")
    return app


@pytest.mark.parametrize(("method", "path", "route", "status", "error"), [
    ("GET", "/items/5", "/items/<int:item>", "200", ""),
    ("PUT", "/items/5", "/items/<int:item>", "200", ""),
    ("HEAD", "/items/5", "/items/<int:item>", "200", ""),
    ("DELETE", "/items/5", "", "405", ""),
    ("GET", "/items/five", "", "404", ""),
    ("GET", "/area/x/1", "/area/x/<a>", "200", ""),
    ("GET", "/other/x/1", "/other/x/<a>", "200", ""),
    ("GET", "/raises", "/raises", "500", NAME),
    ("GET", "/aborts", "/aborts", "503", "503"),
    ("GET", "/handled", "/handled", "404", ""),
    ("BREW", "/nothing", "", "404", ""),
])  # fmt: skip
def test_flask_requests_are_counted_by_rule_and_outcome(
    registry: CollectorRegistry, method: str, path: str, route: str, status: str, error: str
) -> None:
    app = measured(shop(), registry)
    for _ in range(2):
        call(app, environ(path, method))
    found = Measured.of(registry)
    assert found.counts() == {Kind("_OTHER" if method == "BREW" else method, route, status, error): 2}
    assert found.active() == 0


def test_an_exception_that_flask_lets_out_is_counted_and_comes_out(registry: CollectorRegistry) -> None:
    app = shop()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(Refused):
        call(measured(app, registry), environ("/raises"))
    assert Measured.of(registry).counts() == {Kind("GET", "/raises", "500", NAME): 1}


def test_a_mounted_flask_has_its_place_in_the_route(registry: CollectorRegistry) -> None:
    mounts: dict[str, WSGIApplication] = {"/börse".encode().decode("latin-1"): shop()}
    app = measured(DispatcherMiddleware(Flask("home"), mounts), registry, exclude_paths=["/börse/echo"])
    call(app, environ("/börse/items/5"))
    call(app, environ("/börse/echo", "POST"))
    assert Measured.of(registry).counts() == {Kind("GET", "/börse/items/<int:item>"): 1}


def test_bodies_are_counted_as_they_are_read_and_sent(registry: CollectorRegistry) -> None:
    app = measured(shop(), registry)
    assert call(app, environ("/echo", "POST", b"a" * 700)) == ("200 OK", b"700")
    assert call(app, environ("/stream"))[1] == b"x" * 5000
    assert call(app, environ("/items/5"))[1] == b"00005"
    found = Measured.of(registry)
    assert found.by_kind(f"{RECEIVED}_sum")[Kind("POST", "/echo")] == 700
    sizes = {Kind("POST", "/echo"): 3, Kind("GET", "/stream"): 5000, Kind("GET", "/items/<int:item>"): 5}
    assert found.by_kind(f"{SENT}_sum") == sizes


def test_a_head_answer_has_no_body(registry: CollectorRegistry) -> None:
    def careless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"abc"]

    call(measured(careless, registry), environ("/", "HEAD"))
    assert Measured.of(registry).only(f"{SENT}_sum") == 0


class Stream:
    """Five parts, and whether it was closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed = False
        self._parts = iter([b"12"] * 5)
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._error is not None:
            raise self._error
        return next(self._parts)

    def close(self) -> None:
        self.closed = True


def streaming(stream: Stream, *headers: tuple[str, str], status: str = "200 OK") -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return stream

    return app


@pytest.mark.parametrize(("headers", "status", "parts", "error"), [
    ([], "200 OK", 2, "client_disconnected"),
    ([("Content-Length", "10")], "200 OK", 2, "client_disconnected"),
    ([("content-length", "10")], "200 OK", 5, ""),
    ([], "304 Not Modified", 0, ""),
    ([], "200 OK", None, ""),
])  # fmt: skip
def test_a_body_that_is_not_read_to_its_end_was_meant_for_somebody_who_left(
    registry: CollectorRegistry, headers: list[tuple[str, str]], status: str, parts: int | None, error: str
) -> None:
    stream = Stream()
    call(measured(streaming(stream, *headers, status=status), registry), environ("/"), parts)
    found = Measured.of(registry)
    assert found.counts() == {Kind("GET", "", status[:3], error): 1}
    assert found.only(f"{SENT}_sum") == 2 * (5 if parts is None else parts)
    assert found.active() == 0
    assert stream.closed


def test_an_error_in_the_middle_of_a_body_is_the_applications(registry: CollectorRegistry) -> None:
    stream = Stream(Refused("no"))
    with pytest.raises(Refused):
        call(measured(streaming(stream), registry), environ("/"))
    assert Measured.of(registry).counts() == {Kind("GET", "", "200", NAME): 1}
    assert stream.closed


def test_the_written_part_of_an_answer_counts(registry: CollectorRegistry) -> None:
    def old(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])(b"written")
        return [b"returned"]

    call(measured(old, registry), environ("/"))
    assert Measured.of(registry).only(f"{SENT}_sum") == len(b"writtenreturned")


def test_all_ways_to_read_a_body_count(registry: CollectorRegistry) -> None:
    def reads(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        read = [body.read(2), body.readline(), *body.readlines(), *body]
        start_response("200 OK", [])
        return read

    data = b"one\ntwo\nthree\n"
    assert call(measured(reads, registry), environ("/", "POST", data))[1] == data
    assert Measured.of(registry).only(f"{RECEIVED}_sum") == len(data)


def test_what_is_done_after_the_answer_is_not_the_clients_time(registry: CollectorRegistry) -> None:
    app = shop()
    during: list[float] = []

    @app.route("/job")
    def job() -> Response:
        response = Response("begun")
        response.call_on_close(lambda: during.append(Measured.of(registry).active()))
        return response

    call(measured(app, registry), environ("/job"))
    assert during == [0]
    assert Measured.of(registry).by_kind(f"{DURATION}_count") == {Kind("GET", "/job"): 1}


def test_scrapes_and_excluded_paths_are_not_measured(registry: CollectorRegistry) -> None:
    app = measured(shop(), registry, exclude_paths=["/items/"])
    assert b"target_info" in call(app, environ("/metrics"))[1]
    assert call(app, environ("/items/5"))[1] == b"00005"
    inner = measured(shop(), registry)
    outer = measured(DispatcherMiddleware(inner), registry, exclude_paths=["/items/7"])
    call(outer, environ("/items/7"))
    assert Measured.of(registry).counts() == {}
    call(outer, environ("/items/5"))
    assert Measured.of(registry).counts() == {Kind("GET", "/items/<int:item>"): 1}


def test_it_takes_the_place_of_flasks_own_application(registry: CollectorRegistry) -> None:
    app = shop()
    app.wsgi_app = measured(app.wsgi_app, registry)  # type: ignore[method-assign, assignment]
    assert app.test_client().get("/area/x/1").text == "1"
    assert Measured.of(registry).counts() == {Kind("GET", "/area/x/<a>"): 1}
