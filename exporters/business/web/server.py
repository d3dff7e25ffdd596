"""The web server: where it listens, its connections, its signals and its end."""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporters.business.problems import Invalid, Problem
from exporters.business.web.asgi import Application
from exporters.business.web.auth import guarded
from exporters.business.web.config import LiveConfig

T = TypeVar("T")

_log = logging.getLogger(__name__)

# Prometheus lets go of an idle connection after five minutes; a server that does so earlier may do so just when the
# next scrape is on its way.
_KEEP_ALIVE_SECONDS = 320
# A whole request has to be here this long after its first byte, or after the connection was made.
_REQUEST_SECONDS = 30.0
# How long a client may take to agree to the end of an idle TLS connection, when the server ends.
_FAREWELL_SECONDS = 1.0
# A scrape's request has half a kilobyte.
_REQUEST_BYTES = 64 * 1024
# What may wait to be accepted; a client that finds no place tries again a second later.
_BACKLOG = 2048

_LISTEN = re.compile(r"(?:\[(?P<v6>[^]]*)]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._-]*")


def parse_listen(text: str) -> tuple[str, int]:
    """The host and the port of an address to listen on; an empty host means every address of this machine.

    Raises:
        Invalid: it is none.
    """
    found = _LISTEN.fullmatch(text)
    if found is None:
        raise Invalid(
            [_listen_problem(text, "this is no HOST:PORT; an address is 127.0.0.1:9187, :9187 or [::1]:9187")]
        )
    host, port = found["host"], int(found["port"])
    if host is None:
        host = found["v6"]
        with contextlib.suppress(ValueError):
            ipaddress.IPv6Address(host)
            return _in_range(text, host, port)
        raise Invalid([_listen_problem(text, "what stands between the brackets is no IPv6 address")])
    if not _HOST.fullmatch(host):
        raise Invalid([_listen_problem(text, "this is no name of a host")])
    return _in_range(text, host, port)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program's main coroutine, on uvloop where it is there."""
    try:
        import uvloop
    except ImportError:
        factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def serve(
    app: Application,
    listen: tuple[str, int],
    *,
    web: LiveConfig | None = None,
    ready: Callable[[str], None] = lambda address: None,
    stop: asyncio.Event | None = None,
    reload: Callable[[], Awaitable[None]] | None = None,
    drain_seconds: int = 10,
) -> None:
    """Serve an application until SIGTERM, SIGINT or ``stop``; then what is being answered gets ``drain_seconds``.

    ``ready`` is told the address that is really listened on (https://[::1]:9187) once requests are answered. From then
    on SIGHUP calls ``reload``, one at a time; what it raises is logged. Outside the main thread there are no signals,
    only ``stop``.

    Raises:
        Invalid: nobody can listen on that address.
        SystemExit: the application's startup failed; the log says how.
    """
    stop = stop or asyncio.Event()
    with _listening(listen) as sock:
        context = web.ssl_context() if web else None
        config = uvicorn.Config(
            guarded(app, web.current) if web else app,
            http=_Connection,
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=drain_seconds,
            ssl_context_factory=(lambda *_: context) if context else None,
        )
        hangup = asyncio.Event()
        beside: list[asyncio.Task[None]] = []

        def started() -> None:
            beside.append(asyncio.create_task(_reload(hangup, reload)))
            ready(_address(sock, tls=context is not None))

        server = _Server(config, started)
        with _signals(server, stop, hangup):
            beside.append(asyncio.create_task(_stop(server, stop)))
            try:
                await server.serve([sock])
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        # uvicorn raises the signal again when all is over, and the process would end by it instead of with 0.
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Those whose clients did not even fetch their answers.
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Connection(HttpToolsProtocol):
    """A connection whose client has to bring each request in time and within reason, and take the answer."""

    _bringing = True
    _brought = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_REQUEST_SECONDS, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._bringing:
            self._forget_deadline()
            return
        self._brought += len(data)
        if self._brought > _REQUEST_BYTES:
            self.transport.abort()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(_REQUEST_SECONDS, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        self._bringing = True
        self._brought = 0
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._bringing = False
        super().on_message_complete()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(_FAREWELL_SECONDS, self._leave)

    def timeout_keep_alive_handler(self) -> None:
        # An answer that nobody fetches would keep a closed connection for ever.
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _leave(self) -> None:
        if not self.transport.get_write_buffer_size():
            self.transport.abort()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@contextlib.contextmanager
def _listening(listen: tuple[str, int]) -> Iterator[socket.socket]:
    host, port = listen
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if not host and socket.has_dualstack_ipv6():
            sock = socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        else:
            found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)
            # A name may have both; as in Go, IPv4 goes first.
            family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            sock = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror:
        raise Invalid([_listen_problem(shown, "the host has no address")]) from None
    except OSError as error:
        known = {
            errno.EADDRINUSE: "another program listens there already",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }
        reason = known.get(error.errno or 0) or (error.strerror or str(error)).lower()
        raise Invalid([_listen_problem(shown, f"cannot listen: {reason}")]) from None
    with sock:
        yield sock


def _address(sock: socket.socket, *, tls: bool) -> str:
    host, port = sock.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def _signals(server: uvicorn.Server, stop: asyncio.Event, hangup: asyncio.Event) -> Iterator[None]:
    def interrupt() -> None:
        # Who presses Ctrl+C twice does not want to wait.
        server.force_exit = stop.is_set()
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    reactions = {signal.SIGTERM: stop.set, signal.SIGINT: interrupt, signal.SIGHUP: hangup.set}
    for number, reaction in reactions.items():
        loop.add_signal_handler(number, reaction)
    try:
        yield
    finally:
        for number in reactions:
            loop.remove_signal_handler(number)


async def _stop(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


async def _reload(hangup: asyncio.Event, reload: Callable[[], Awaitable[None]] | None) -> None:
    while True:
        await hangup.wait()
        hangup.clear()
        if reload is None:
            continue
        try:
            await reload()
        except Exception:
            _log.exception("the reload failed; all stays as it was")


def _in_range(text: str, host: str, port: int) -> tuple[str, int]:
    if port > 65535:
        raise Invalid([_listen_problem(text, "a port is at most 65535")])
    return host, port


def _listen_problem(text: str, message: str) -> Problem:
    return Problem(f"--listen {text}", None, None, "listen", message)
