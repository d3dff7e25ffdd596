"""The pages of the exporter, over real connections."""

import logging
import re
from collections.abc import Iterator

import pytest
import requests

from exporters.business.exposition import Format, content_type
from exporters.business.web.negotiation import chosen_format, gzip_accepted, time_for_refresh
from exporters.business.web.pages import Ready, TooLate
from tests.exporters.serving import SteeredExporter, exchange, serving

PROMETHEUS_2 = (
    b"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    b"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    b"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    b"application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    b"text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_TEXT_FIRST = b"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1"
BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.fixture(scope="module")
def exporter() -> SteeredExporter:
    return SteeredExporter()


@pytest.fixture(scope="module")
def address(exporter: SteeredExporter) -> Iterator[str]:
    with serving(exporter) as address:
        yield address


@pytest.fixture(autouse=True)
def fresh(exporter: SteeredExporter) -> None:
    exporter.__init__()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        (b"", "text"),
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        (PROMETHEUS_TEXT_FIRST, "text"),
        (BROWSER, "text"),
        (b"*/*", "text"),
        (b"text/plain", "text"),
        (b"text/*", "text"),
        (b"text/plain;version=0.0.4", "text"),
        (b"application/openmetrics-text", "openmetrics"),
        (b'Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8', "openmetrics"),
        (b"application/*", "openmetrics"),
        (b"application/openmetrics-text;version=0.0.1", "text"),
        (b"application/openmetrics-text;version=2.0.0,text/plain;q=0.1", "text"),
        (b"application/vnd.google.protobuf;encoding=delimited,application/openmetrics-text;q=0.9", "openmetrics"),
        (b"application/openmetrics-text,text/plain", "openmetrics"),
        (b"text/plain,application/openmetrics-text", "text"),
        (b"application/openmetrics-text;q=0.4,text/plain;q=0.5", "text"),
        (b"application/openmetrics-text;q=0", "text"),
        (b"application/openmetrics-text;q=0,*/*", "text"),
        (b"text/plain;q=0,*/*;q=0.1", "openmetrics"),
        (b"text/html", "text"),
        (b"application/openmetrics-text;q=1.5", "text"),
        (b"application/openmetrics-text;q=nan", "text"),
        (b",;,;q=1,/", "text"),
        (b"\xff\xfe" * 50, "text"),
    ],
)
def test_the_format_is_the_one_that_is_liked_best(accept: bytes, format_: Format) -> None:
    assert chosen_format(accept) == format_


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (b"", False),
        (b"gzip", True),
        (b"GZIP", True),
        (b"x-gzip", True),
        (b"deflate, gzip;q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"gzip;q=0, *", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"identity", False),
        (b"identity, gzip;q=0.5", False),
        (b"identity;q=0.5, gzip", True),
        (b"br, zstd", False),
        (b"gzipped", False),
    ],
)
def test_gzip_is_used_where_it_is_taken(accept_encoding: bytes, accepted: bool) -> None:
    assert gzip_accepted(accept_encoding) is accepted


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"15", 14.5),
        (b"10.000000", 9.5),
        (b"2", 1.5),
        (b"1", 0.75),
        (b"0.1", 0.075),
        (b"3600", 3599.5),
        *[(wrong, 9.5) for wrong in (b"", b"0", b"0.0", b"-1", b"nan", b"inf", b"1e9", b"3601", b"1_0", b"ten", b" ")],
        (b"9" * 400, 9.5),
    ],
)
def test_a_refresh_has_what_prometheus_waits_less_an_offset(header: bytes, seconds: float) -> None:
    assert time_for_refresh(header) == pytest.approx(seconds)


@pytest.mark.parametrize("format_", ["text", "openmetrics"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_scrape_gets_the_exposition_with_its_headers(
    address: str, exporter: SteeredExporter, format_: Format, compressed: bool
) -> None:
    plain = b"orders_up 1\n" * 100
    exporter.body = plain
    accept = PROMETHEUS_3 if format_ == "openmetrics" else b"text/plain"
    headers = {
        "Accept": accept,
        "Accept-Encoding": b"gzip" if compressed else b"identity",
        "X-Prometheus-Scrape-Timeout-Seconds": b"4",
    }
    answer = requests.get(f"{address}/metrics?name[]=a&x=%00", headers=headers, timeout=30)
    assert (answer.status_code, answer.content) == (200, plain)
    assert answer.headers["Content-Type"] == content_type(format_)
    assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None)
    assert int(answer.headers["Content-Length"]) < 100 if compressed else len(plain)
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert "Server" not in answer.headers
    (asked,) = exporter.asked
    assert (asked.format_, asked.gzip, asked.timeout_seconds) == (format_, compressed, 3.5)


def test_an_accept_header_may_come_in_pieces(address: str, exporter: SteeredExporter) -> None:
    request = (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.5\r\nAccept: application/openmetrics-text\r\n"
    )
    request += b"Accept-Encoding: deflate\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    assert exchange(address, request).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [(asked.format_, asked.gzip) for asked in exporter.asked] == [("openmetrics", True)]


def test_a_refresh_that_is_too_late_is_503(address: str, exporter: SteeredExporter) -> None:
    exporter.error = TooLate()
    answer = requests.get(f"{address}/metrics", timeout=30)
    assert (answer.status_code, answer.text) == (503, "the databases did not answer within the scrape timeout\n")


def test_what_fails_unexpectedly_is_500_and_logged_and_leaves_the_other_pages_alone(
    address: str, exporter: SteeredExporter, caplog: pytest.LogCaptureFixture
) -> None:
    exporter.error = ZeroDivisionError("a secret of the exporter")
    with caplog.at_level(logging.ERROR):
        answer = requests.get(f"{address}/metrics", timeout=30)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivisionError: a secret of the exporter" in caplog.text
    assert requests.get(f"{address}/healthz", timeout=30).status_code == 200
    assert requests.get(f"{address}/", timeout=30).status_code == 200
    exporter.error = None
    assert requests.get(f"{address}/metrics", timeout=30).status_code == 200


def test_the_first_page_names_the_exporter_and_links_the_others(address: str) -> None:
    answer = requests.get(f"{address}/", timeout=30)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert re.findall('href="([^"]*)"', answer.text) == ["/metrics", "/healthz", "/readyz"]
    assert "<h1>Orders exporter</h1>" in answer.text
    assert "<p>Business numbers of the platform orders</p>" in answer.text
    assert "prefers-color-scheme: dark" in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "deny"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_the_first_page_shows_markup_as_text(address: str, exporter: SteeredExporter) -> None:
    exporter.title = "<script>alert('x')</script>"
    exporter.description = '"><img src=x onerror=alert(1)> & $style ${title}'
    text = requests.get(f"{address}/", timeout=30).text
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in text
    assert "&amp; $style ${title}" in text


def test_healthz_is_ok_whatever_the_exporter_says(address: str, exporter: SteeredExporter) -> None:
    exporter.state = Ready(False, "no database answers")
    answer = requests.get(f"{address}/healthz", timeout=30)
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_readyz_says_what_the_exporter_says(address: str, exporter: SteeredExporter, ready: bool, status: int) -> None:
    exporter.state = Ready(ready, "orders: connected – since 12:00\r\nX-Evil: 1")
    answer = requests.get(f"{address}/readyz", timeout=30)
    assert (answer.status_code, answer.text) == (status, "orders: connected – since 12:00\r\nX-Evil: 1\n")
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/metrics/", "/Metrics", "//metrics", "/favicon.ico", "/%2e%2e/etc/passwd", "/%0d%0aX-Evil:%201", "/%ff"]
)
def test_an_unknown_page_is_404(address: str, path: str) -> None:
    said = exchange(address, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 404 ")
    assert b"evil" not in said.lower()


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
def test_a_page_can_only_be_read(address: str, exporter: SteeredExporter, method: str, path: str) -> None:
    answer = requests.request(method, f"{address}{path}", data=b"x", timeout=30)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert exporter.asked == []


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/nothing"])
def test_head_says_what_get_says_without_the_body(address: str, path: str) -> None:
    head, separator, rest = exchange(address, _request("HEAD", path) + _request("GET", path, last=True)).partition(
        b"\r\n\r\n"
    )
    assert separator
    got, _, body = rest.partition(b"\r\n\r\n")
    assert _without_date(head) == _without_date(
        got.replace(b"connection: close\r\n", b"").removesuffix(b"connection: close")
    )
    assert f"content-length: {len(body)}".encode() in head


def _request(method: str, path: str, last: bool = False) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if last else 'X-Y: z'}\r\n\r\n".encode()


def _without_date(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if line and not line.startswith(b"date:")]
