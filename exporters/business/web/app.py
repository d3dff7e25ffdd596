"""The pages of the exporter, as an ASGI application."""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable
from html import escape
from string import Template

from exporters.business.exposition import Format, content_type
from exporters.business.web.asgi import Answer, Application, Headers, Receive, Scope, Send, plain, respond
from exporters.business.web.negotiation import chosen_format, gzip_accepted, time_for_refresh
from exporters.business.web.pages import Exporter, TooLate

_log = logging.getLogger(__name__)

_Page = Callable[[Exporter, Scope], Awaitable[Answer]]
_Step = Callable[[], Awaitable[None]]

_STYLE = """
:root { color-scheme: light dark; --text: #1c2128; --dim: #59636e; --line: #d1d9e0; --link: #0a58b8; --ground: #fff }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --link: #6cb0ff; --ground: #0f1419 }
}
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 40rem; margin: 0 auto; padding: 12vh 1.5rem 4rem }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere }
p { margin: 0 0 2rem; color: var(--dim); overflow-wrap: anywhere }
ul { margin: 0; padding: 0; list-style: none; border-top: 1px solid var(--line) }
li { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .75rem 0; border-bottom: 1px solid var(--line) }
a { flex: 0 0 7rem; color: var(--link); font-family: ui-monospace, monospace }
li span { flex: 1 1 16rem; color: var(--dim) }
"""

_HTML = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$description</p>
<ul>
<li><a href="/metrics">/metrics</a> <span>the numbers, for Prometheus</span></li>
<li><a href="/healthz">/healthz</a> <span>whether the process answers</span></li>
<li><a href="/readyz">/readyz</a> <span>whether scrapes are answered, and why not</span></li>
</ul>
</main>
</body>
</html>
""")

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HTML_HEADERS: Headers = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"deny"),
    (b"referrer-policy", b"no-referrer"),
)


def application(exporter: Exporter, *, startup: _Step | None = None, shutdown: _Step | None = None) -> Application:
    """The pages of an exporter.

    ``startup`` ends before the first request is answered, ``shutdown`` begins after the last.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await respond(await _answer(exporter, scope), send)
        elif scope["type"] == "lifespan":
            await _live(receive, send, startup, shutdown)

    return app


async def _answer(exporter: Exporter, scope: Scope) -> Answer:
    page = _PAGES.get(scope["path"])
    if page is None:
        return plain(404, "there is no such page; the metrics are at /metrics")
    if scope["method"] not in ("GET", "HEAD"):
        return plain(405, "only GET and HEAD are answered", ((b"allow", b"GET, HEAD"),))
    try:
        return await page(exporter, scope)
    except asyncio.CancelledError:
        # The server cancels what is not done at the end of its time to drain.
        return plain(503, "the exporter is going down")
    except Exception:
        _log.exception("the page %s failed", scope["path"])
        return plain(500, "the exporter failed to make this page; its log says why")


async def _live(receive: Receive, send: Send, startup: _Step | None, shutdown: _Step | None) -> None:
    await receive()
    if startup is not None:
        await startup()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if shutdown is not None:
        await shutdown()
    await send({"type": "lifespan.shutdown.complete"})


async def _home(exporter: Exporter, scope: Scope) -> Answer:
    text = _HTML.substitute(style=_STYLE, title=escape(exporter.title), description=escape(exporter.description))
    return Answer(200, _HTML_HEADERS, text.encode())


async def _metrics(exporter: Exporter, scope: Scope) -> Answer:
    accept = accept_encoding = scrape_timeout = b""
    for name, value in scope["headers"]:
        if name == b"accept":
            accept = accept + b"," + value if accept else value
        elif name == b"accept-encoding":
            accept_encoding = accept_encoding + b"," + value if accept_encoding else value
        elif name == b"x-prometheus-scrape-timeout-seconds":
            scrape_timeout = value
    format_, gzip = chosen_format(accept), gzip_accepted(accept_encoding)
    try:
        body = await exporter.metrics(format_, gzip=gzip, timeout_seconds=time_for_refresh(scrape_timeout))
    except TooLate:
        return plain(503, "the databases did not answer within the scrape timeout")
    return Answer(200, _metrics_headers(format_, gzip), body)


def _metrics_headers(format_: Format, gzip: bool) -> Headers:
    headers = ((b"content-type", content_type(format_).encode()), (b"vary", b"Accept, Accept-Encoding"))
    return (*headers, (b"content-encoding", b"gzip")) if gzip else headers


async def _healthz(exporter: Exporter, scope: Scope) -> Answer:
    return plain(200, "ok")


async def _readyz(exporter: Exporter, scope: Scope) -> Answer:
    state = exporter.ready()
    return plain(200 if state.ready else 503, state.text)


_PAGES: dict[str, _Page] = {"/": _home, "/metrics": _metrics, "/healthz": _healthz, "/readyz": _readyz}
