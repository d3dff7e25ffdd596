"""The server: its addresses, connections, TLS, passwords, signals and end, with real sockets and processes."""

import asyncio
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import bcrypt
import pytest
import requests

from exporters.business.problems import Invalid
from exporters.business.web import server
from exporters.business.web.server import parse_listen
from tests.exporters.serving import Authority, SteeredExporter, authority, exchange, host_and_port, serving
from tests.programs import until

ROOT = Path(__file__).parents[2]
HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:9187", ("127.0.0.1", 9187)),
        (":9187", ("", 9187)),
        ("[::1]:9187", ("::1", 9187)),
        ("[::]:0", ("::", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("exporter-1.example:80", ("exporter-1.example", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, listen: tuple[str, int]) -> None:
    assert parse_listen(text) == listen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (text, "this is no HOST:PORT")
            for text in ("", "9187", "localhost", "localhost:", "::1:9187", "[::1]", "a:b")
        ],
        *[(text, "this is no HOST:PORT") for text in ("a:-1", "a:+1", "a: 1", "a:1\n", "a:٣", "http://a:1", "[a]b:1")],
        ("[]:9187", "no IPv6 address"),
        ("[127.0.0.1]:9187", "no IPv6 address"),
        ("localhost:65536", "a port is at most 65535"),
        ("[::1]:99999", "a port is at most 65535"),
        ("a b:1", "no name of a host"),
        ("a/b:1", "no name of a host"),
    ],
)
def test_what_is_no_address_is_said(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message) as raised:
        parse_listen(text)
    assert raised.value.problems[0].path == f"--listen {text}"


def test_port_0_is_a_free_port_and_the_address_is_the_real_one() -> None:
    with serving(SteeredExporter()) as address:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", address)
        assert requests.get(f"{address}/healthz", timeout=30).text == "ok\n"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_ipv6_and_every_address() -> None:
    with serving(SteeredExporter(), listen=("::1", 0)) as address:
        assert address.startswith("http://[::1]:")
        assert requests.get(f"{address}/healthz", timeout=30).text == "ok\n"
    with serving(SteeredExporter(), listen=("", 0)) as address:
        _, port = host_and_port(address)
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{port}/healthz", timeout=30).text == "ok\n"


def test_an_address_in_use_is_said() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        message = f"--listen 127.0.0.1:{port}: error.listen.: cannot listen: another program listens there already"
        with pytest.raises(Invalid, match=message), serving(SteeredExporter(), listen=("127.0.0.1", port)):
            pass


@pytest.mark.parametrize(
    ("host", "message"), [("192.0.2.1", "this machine has no such address"), ("no.such.host.invalid", "no address")]
)
def test_an_address_of_another_machine_is_said(host: str, message: str) -> None:
    with pytest.raises(Invalid, match=message), serving(SteeredExporter(), listen=(host, 0)):
        pass


# --- connections ---


def test_a_connection_stays_open() -> None:
    with serving(SteeredExporter()) as address, closing(socket.create_connection(host_and_port(address))) as connection:
        connection.settimeout(30)
        for _ in range(3):
            connection.sendall(SCRAPE)
            said = b""
            while not said.endswith(b"orders_up 1\n"):
                said += connection.recv(65536)
            assert said.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert b"\r\nserver:" not in said.lower()


def test_200_scrapes_at_once_get_the_same() -> None:
    async def scrape(address: str) -> bytes:
        reader, writer = await asyncio.open_connection(*host_and_port(address))
        writer.write(SCRAPE.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n"))
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
        return said.partition(b"\r\n\r\n")[2]

    async def all_scrapes(address: str) -> list[bytes]:
        return await asyncio.gather(*(scrape(address) for _ in range(200)))

    exporter = SteeredExporter(body=b"orders_total 1\n" * 5000)
    with serving(exporter) as address:
        assert set(asyncio.run(all_scrapes(address))) == {exporter.body}
    assert len(exporter.asked) == 200


def test_half_requests_hold_nobody_up() -> None:
    with serving(SteeredExporter()) as address, ExitStack() as connections:
        for half in (
            b"",
            b"GET /met",
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n",
            SCRAPE[:-2] + b"Content-Length: 9\r\n\r\n",
        ):
            for _ in range(25):
                connection = connections.enter_context(closing(socket.create_connection(host_and_port(address))))
                connection.sendall(half)
        assert requests.get(f"{address}/metrics", timeout=5).text == "orders_up 1\n"


@pytest.mark.parametrize("before", [b"", SCRAPE], ids=["first", "second"])
def test_a_request_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(server, "_REQUEST_SECONDS", 0.2)
    with serving(SteeredExporter()) as address:
        said = exchange(address, before + b"GET /metrics HTTP/1.1\r\nHost: ")
        assert said.count(b"HTTP/1.1 200 OK") == len(before) // len(SCRAPE)


def test_a_request_without_bounds_is_given_up() -> None:
    with serving(SteeredExporter()) as address:
        with closing(socket.create_connection(host_and_port(address))) as connection, suppress(ConnectionError):
            connection.sendall(b"GET /metrics HTTP/1.1\r\n")
            for _ in range(10_000):
                connection.sendall(b"X-Y: " + b"z" * 1000 + b"\r\n")
            raise AssertionError("ten megabytes of headers were taken")
        assert requests.get(f"{address}/metrics", timeout=5).ok


def test_an_answer_that_nobody_fetches_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_KEEP_ALIVE_SECONDS", 1)
    exporter = SteeredExporter(body=b"x" * 20_000_000)
    with serving(exporter) as address, closing(socket.create_connection(host_and_port(address))) as connection:
        connection.sendall(SCRAPE)
        until(lambda: exporter.asked, 30)
        # The server's end of the connection is in this process too.
        before = _open_files()
        until(lambda: _open_files() < before, 30)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A\x00: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_400_and_the_connection_ends(request_: bytes) -> None:
    with serving(SteeredExporter()) as address:
        assert exchange(address, request_).startswith(b"HTTP/1.1 400 ")
        assert requests.get(f"{address}/healthz", timeout=30).ok


def test_an_offer_to_upgrade_is_not_taken() -> None:
    request = SCRAPE.replace(
        b"Host: x", b"Host: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA=="
    )
    with serving(SteeredExporter()) as address:
        assert exchange(address, request, b"orders_up 1\n").startswith(b"HTTP/1.1 200 OK")


def test_it_runs_without_uvloop(monkeypatch: pytest.MonkeyPatch, tls: "Tls") -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with serving(SteeredExporter(), web=tls.config()) as address:
        assert requests.get(f"{address}/metrics", verify=str(tls.ca), timeout=30).text == "orders_up 1\n"


# --- TLS ---


class Tls:
    """A folder with a web configuration and its certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority: Authority = authority(folder / "ca")
        self.ca = self.authority.certificate
        self.renew()

    def config(self, more: str = "", users: str = "") -> Path:
        path = self.folder / "web.yml"
        path.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}{users}")
        return path

    def renew(self) -> None:
        certificate, key = self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        certificate.replace(self.folder / "server.crt")
        key.replace(self.folder / "server.key")


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


def test_tls(tls: Tls) -> None:
    with serving(SteeredExporter(), web=tls.config()) as address:
        assert address.startswith("https://")
        assert requests.get(f"{address}/metrics", verify=str(tls.ca), timeout=30).text == "orders_up 1\n"
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{address}/metrics", timeout=30)
        assert exchange(address, SCRAPE) == b""
        assert _negotiated(address, tls)[1] == "http/1.1"


def test_the_versions_and_ciphers_are_those_of_the_file(tls: Tls) -> None:
    more = "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n"
    with serving(SteeredExporter(), web=tls.config(more)) as address:
        assert _negotiated(address, tls)[0] == ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", 256)
        with pytest.raises(ssl.SSLError):
            _negotiated(address, tls, ssl.TLSVersion.TLSv1_3)


def _negotiated(
    address: str, tls: Tls, least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
) -> tuple[tuple[str, str, int] | None, str | None]:
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.minimum_version = least
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, port = host_and_port(address)
    with (
        socket.create_connection((host, port)) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return connection.cipher(), connection.selected_alpn_protocol()


def _named(pair: tuple[Path, Path]) -> tuple[str, str]:
    return str(pair[0]), str(pair[1])


def test_a_client_needs_a_certificate_of_the_authority(tls: Tls, tmp_path: Path) -> None:
    ours = _named(tls.authority.issue("prometheus", "DNS:prometheus"))
    stranger = _named(authority(tmp_path / "other").issue("prometheus", "DNS:prometheus"))
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca/ca.crt\n"
    with serving(SteeredExporter(), web=tls.config(more)) as address:
        assert requests.get(f"{address}/metrics", verify=str(tls.ca), cert=ours, timeout=30).ok
        for cert in (None, stranger):
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{address}/metrics", verify=str(tls.ca), cert=cert, timeout=30)


def test_a_certificate_may_be_left_out_but_not_wrong(tls: Tls, tmp_path: Path) -> None:
    stranger = _named(authority(tmp_path / "other").issue("prometheus", "DNS:prometheus"))
    more = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca/ca.crt\n"
    with serving(SteeredExporter(), web=tls.config(more)) as address:
        assert requests.get(f"{address}/metrics", verify=str(tls.ca), timeout=30).ok
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{address}/metrics", verify=str(tls.ca), cert=stranger, timeout=30)


@pytest.mark.parametrize(
    ("alternatives", "let_in"),
    [
        ("DNS:prometheus.example", True),
        ("DNS:other,IP:2001:db8::1", True),
        ("email:ops@example.org", True),
        ("URI:spiffe://example/prometheus", True),
        ("DNS:prometheus.example.evil", False),
        ("DNS:*.example", False),
    ],
)
def test_a_client_needs_one_of_the_allowed_names(tls: Tls, alternatives: str, let_in: bool) -> None:
    cert = _named(tls.authority.issue("client", alternatives))
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca/ca.crt\n  client_allowed_sans:\n"
    for name in ("prometheus.example", "2001:db8::1", "ops@example.org", "spiffe://example/prometheus"):
        more += f"  - '{name}'\n"
    exporter = SteeredExporter()
    with serving(exporter, web=tls.config(more)) as address:
        if let_in:
            assert requests.get(f"{address}/metrics", verify=str(tls.ca), cert=cert, timeout=30).ok
        else:
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{address}/metrics", verify=str(tls.ca), cert=cert, timeout=30)
    assert len(exporter.asked) == let_in


def test_a_renewed_certificate_is_shown_to_new_connections(tls: Tls) -> None:
    with serving(SteeredExporter(), web=tls.config()) as address, requests.Session() as session:
        session.trust_env, session.verify = False, str(tls.ca)
        assert session.get(f"{address}/metrics", timeout=30).ok
        was = ssl.get_server_certificate(host_and_port(address))
        tls.renew()
        until(lambda: ssl.get_server_certificate(host_and_port(address)) != was, 30)
        assert session.get(f"{address}/metrics", timeout=30).ok
        tls.config("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca/ca.crt\n")
        until(lambda: _refused(address, tls), 30)


def _refused(address: str, tls: Tls) -> bool:
    try:
        requests.get(f"{address}/metrics", verify=str(tls.ca), timeout=30)
    except requests.ConnectionError:
        return True
    return False


# --- passwords and headers ---


def test_every_page_asks_for_the_password(tls: Tls) -> None:
    exporter = SteeredExporter()
    headers = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n"
    web = tls.config(users=f"basic_auth_users:\n  alice: {HASH}\n{headers}")
    with serving(exporter, web=web) as address, requests.Session() as session:
        session.trust_env, session.verify = False, str(tls.ca)
        for path in ("/", "/metrics", "/healthz", "/readyz", "/nothing"):
            for auth in (None, ("alice", "wrong"), ("mallory", "right")):
                answer = session.get(f"{address}{path}", auth=auth, timeout=30)
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="metrics"')
                assert answer.headers["X-Frame-Options"] == "sameorigin"
        assert exporter.asked == []
        answer = session.get(f"{address}/metrics", auth=("alice", "right"), timeout=30)
        assert (answer.status_code, answer.text) == (200, "orders_up 1\n")
        # The file's header takes the place of the page's own.
        assert (
            session.get(f"{address}/", auth=("alice", "right"), timeout=30).headers["X-Frame-Options"] == "sameorigin"
        )


def test_a_changed_password_counts_on_open_connections_too(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users:\n  alice: {HASH}\n")
    with serving(SteeredExporter(), web=web) as address, requests.Session() as session:
        session.auth = ("alice", "right")
        assert session.get(f"{address}/metrics", timeout=30).ok
        web.write_text(f"basic_auth_users:\n  alice: {bcrypt.hashpw(b'new', bcrypt.gensalt(4)).decode()}\n")
        until(lambda: session.get(f"{address}/metrics", timeout=30).status_code == 401, 30)
        session.auth = ("alice", "new")
        assert session.get(f"{address}/metrics", timeout=30).ok


# --- signals and the end, in a process of its own ---

# Says in the file "log" what happens; a scrape waits for the file "go".
PROGRAM = """
import asyncio, sys
from gzip import compress
from pathlib import Path
from exporters.business.web import pages
from exporters.business.web.app import application
from exporters.business.web.server import run, serve

folder, drain_seconds = Path(sys.argv[1]), int(sys.argv[2])

def log(line):
    with (folder / "log").open("a") as file:
        file.write(line + "\\n")

class Slow:
    title = description = "slow"
    async def metrics(self, format_, *, gzip, timeout_seconds):
        log("asked")
        while not (folder / "go").exists():
            await asyncio.sleep(0.01)
        log("answered")
        body = b"slow 1\\n" * 100_000
        return compress(body) if gzip else body
    def ready(self):
        return pages.Ready(True, "ready")

async def started():
    log("startup")
    if (folder / "fail").exists():
        raise RuntimeError("the startup failed")

async def stopped():
    log("shutdown")

async def reload():
    log("reload")
    if (folder / "broken").exists():
        raise ValueError("the plan is broken")

app = application(Slow(), startup=started, shutdown=stopped)
run(serve(app, ("127.0.0.1", 0), ready=lambda address: log(address), reload=reload, drain_seconds=drain_seconds))
log("end")
"""


class Program:
    """The program above while it runs."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.address = until(lambda: next((line for line in self.log() if line.startswith("http")), None), 30)

    def log(self) -> list[str]:
        file = self.folder / "log"
        return file.read_text().splitlines() if file.exists() else []

    def says(self, line: str, times: int = 1) -> None:
        until(lambda: self.log().count(line) >= times, 30)

    def refuses(self) -> None:
        def refused() -> bool:
            try:
                socket.create_connection(host_and_port(self.address)).close()
            except ConnectionRefusedError:
                return True
            return False

        until(refused, 30)


@contextmanager
def running(folder: Path, drain_seconds: int = 10) -> Iterator[Program]:
    command = [sys.executable, "-c", PROGRAM, str(folder), str(drain_seconds)]
    with (folder / "err").open("wb") as errors, subprocess.Popen(command, cwd=ROOT, stderr=errors) as process:
        try:
            yield Program(process, folder)
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_scrape_that_runs_gets_its_whole_answer_and_the_exit_code_is_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running(tmp_path) as program, ThreadPoolExecutor() as threads, ExitStack() as connections:
        for request in (b"", b"GET /metr"):
            connection = connections.enter_context(closing(socket.create_connection(host_and_port(program.address))))
            connection.sendall(request)
        scrape = threads.submit(requests.get, f"{program.address}/metrics", timeout=60)
        program.says("asked")
        program.process.send_signal(number)
        program.refuses()
        assert not scrape.done()
        (tmp_path / "go").touch()
        assert scrape.result().text == "slow 1\n" * 100_000
        assert program.process.wait(30) == 0
        assert program.log() == ["startup", program.address, "asked", "answered", "shutdown", "end"]
    assert (tmp_path / "err").read_text() == ""


def test_with_nothing_to_do_it_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as program, requests.Session() as session:
        assert session.get(f"{program.address}/healthz", timeout=30).ok
        program.process.terminate()
        assert program.process.wait(5) == 0
    assert program.log()[-2:] == ["shutdown", "end"]


def test_a_scrape_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, drain_seconds=1) as program, ThreadPoolExecutor() as threads:
        scrape = threads.submit(exchange, program.address, SCRAPE)
        program.says("asked")
        program.process.terminate()
        assert program.process.wait(30) == 0
        answer = scrape.result()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"the exporter is going down\n")
    assert program.log()[-2:] == ["shutdown", "end"]
    assert "Traceback" not in (tmp_path / "err").read_text()


def test_who_interrupts_twice_does_not_wait(tmp_path: Path) -> None:
    with running(tmp_path, drain_seconds=600) as program, ThreadPoolExecutor() as threads:
        scrape = threads.submit(exchange, program.address, SCRAPE)
        program.says("asked")
        program.process.send_signal(signal.SIGINT)
        program.refuses()
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(30) == 0
        assert b"HTTP/1.1 200" not in scrape.result()


def test_sighup_reloads_and_a_reload_that_fails_ends_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.process.send_signal(signal.SIGHUP)
        program.says("reload")
        (tmp_path / "broken").touch()
        program.process.send_signal(signal.SIGHUP)
        program.says("reload", 2)
        until(lambda: "ValueError: the plan is broken" in (tmp_path / "err").read_text(), 30)
        program.process.send_signal(signal.SIGHUP)
        program.says("reload", 3)
        assert requests.get(f"{program.address}/healthz", timeout=30).ok
        program.process.terminate()
        assert program.process.wait(30) == 0


def test_a_startup_that_fails_ends_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "fail").touch()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "1"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert "RuntimeError: the startup failed" in done.stderr
