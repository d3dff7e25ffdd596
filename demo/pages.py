"""Where the links in messages lead in the demo: runbooks as pages, and panels as graphs in Prometheus."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from markdown_it import MarkdownIt
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

# The one piece of HTML in a runbook: where a link to an alert's section leads.
_ANCHOR = re.compile(r"&lt;a id=&quot;([a-z0-9_-]+)&quot;&gt;&lt;/a&gt;")
_NAME = re.compile(r"[a-z0-9_]+\.md")
_GRAPHS = 8
_STYLE = (
    "body{max-width:46rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color-scheme:light dark;"
    "overflow-wrap:anywhere}"
    "table{border-collapse:collapse}td,th{border:1px solid #8886;padding:.3rem .6rem;text-align:left}"
    "pre{overflow-x:auto;padding:.8rem;background:#8882}code{background:#8882}:target{scroll-margin-top:1rem}"
)


def routes(compiled: Path, prometheus: str) -> tuple[Route, ...]:
    """The pages of a compiled platform; ``prometheus`` draws the graphs, since Grafana is no part of the demo."""
    compiled = Path(compiled)

    async def runbook(request: Request) -> Response:
        name = str(request.path_params["name"])
        file = compiled / "runbooks" / name
        if not _NAME.fullmatch(name) or not file.is_file():
            raise HTTPException(404, "there is no such runbook")
        return HTMLResponse(_runbook_page(file.read_text("utf-8")))

    async def dashboard(request: Request) -> Response:
        uid = str(request.path_params["uid"])
        found = _dashboard(compiled, uid)
        if found is None:
            raise HTTPException(404, "there is no such dashboard")
        panels = list(_panels(found))
        wanted = request.query_params.get("viewPanel")
        chosen = [panel for panel in panels if str(panel.get("id")) == wanted] if wanted else panels
        queries = [query for panel in chosen for query in _queries(panel)]
        if not queries:
            raise HTTPException(404, "this panel draws no series; in Grafana it says more")
        return RedirectResponse(f"{prometheus}/graph?{_graphs(queries[:_GRAPHS])}", 302)

    return (Route("/runbooks/{name}", runbook), Route("/d/{uid}", dashboard), Route("/d/{uid}/{slug}", dashboard))


def _runbook_page(text: str) -> str:
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = _ANCHOR.sub(r'<a id="\1"></a>', body)
    title = html.escape(text.partition("\n")[0].removeprefix("# "))
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )


def _dashboard(compiled: Path, uid: str) -> dict[str, Any] | None:
    for file in sorted((compiled / "grafana/dashboards").glob("*.json")):
        found: dict[str, Any] = json.loads(file.read_bytes())
        if found.get("uid") == uid:
            return found
    return None


def _panels(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in found.get("panels", ()):
        yield panel
        yield from _panels(panel)


def _queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel.get("targets", ()) if target.get("expr")]


def _graphs(queries: list[str]) -> str:
    shown: dict[str, str] = {}
    for index, query in enumerate(queries):
        shown |= {f"g{index}.expr": query, f"g{index}.tab": "0", f"g{index}.range_input": "15m"}
    return urlencode(shown, quote_via=quote)
