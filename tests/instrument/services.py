"""A service of each kind, as somebody would write it, for servers to serve."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from flask import Blueprint, Flask, Response
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from exporters.instrument import instrument_asgi, instrument_wsgi

EXCLUDED = ["/health", "/static/"]
# What an alert's target is compared with.
TARGETS = [0.2]
# Bytes of a part of a stream: more than sockets keep for a client that does not read.
PART = 100_000


def _fastapi() -> FastAPI:
    app, sub = FastAPI(), FastAPI()

    @app.get("/items/{item}")
    async def item(item: str) -> dict[str, str]:
        return {"item": item}

    @sub.get("/x/{a}")
    async def inside(a: str) -> str:
        return a

    @app.get("/who")
    async def who() -> int:
        return os.getpid()

    @app.get("/fails")
    async def fails() -> None:
        raise LookupError("on purpose")

    @app.get("/slow/{seconds}")
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "slow"

    @app.get("/stream/{parts}")
    async def stream(parts: int) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(parts):
                yield b"x" * PART
                await asyncio.sleep(0.01)

        return StreamingResponse(pieces(), media_type="application/octet-stream")

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.get("/health")
    @app.get("/healthcare/{patient}")
    async def health() -> str:
        return "ok"

    @app.websocket("/talk")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app.mount("/sub", sub)
    return app


def _starlette() -> Starlette:
    async def page(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse("page")

    async def fails(request: StarletteRequest) -> PlainTextResponse:
        raise LookupError("on purpose")

    routes = [
        Route("/items/{item}", page),
        Route("/fails", fails),
        Route("/health", page),
        Route("/healthcare/{p}", page),
    ]
    return Starlette(routes=[*routes, Mount("/sub", routes=[Route("/x/{a}", page)])])


def _flask() -> Flask:
    app = Flask(__name__)
    sub = Blueprint("sub", __name__, url_prefix="/sub")

    @app.get("/items/<item>")
    def item(item: str) -> dict[str, str]:
        return {"item": item}

    @sub.get("/x/<a>")
    def inside(a: str) -> str:
        return a

    @app.get("/who")
    def who() -> str:
        return str(os.getpid())

    @app.get("/fails")
    def fails() -> str:
        raise LookupError("on purpose")

    @app.get("/slow/<float:seconds>")
    def slow(seconds: float) -> str:
        time.sleep(seconds)
        return "slow"

    @app.get("/stream/<int:parts>")
    def stream(parts: int) -> Response:
        def pieces() -> Iterator[bytes]:
            for _ in range(parts):
                yield b"x" * PART
                time.sleep(0.01)

        return Response(pieces(), mimetype="application/octet-stream")

    @app.post("/echo")
    def echo() -> str:
        return str(len(flask_request.get_data()))

    @app.get("/health")
    @app.get("/healthcare/<patient>")
    def health(patient: str = "") -> str:
        return "ok"

    app.register_blueprint(sub)
    return app


fastapi_app = instrument_asgi(_fastapi(), service_name="shop", exclude_paths=EXCLUDED, duration_targets=TARGETS)
starlette_app = instrument_asgi(_starlette(), service_name="shop", exclude_paths=EXCLUDED, duration_targets=TARGETS)
flask_app = instrument_wsgi(_flask(), service_name="shop", exclude_paths=EXCLUDED, duration_targets=TARGETS)
